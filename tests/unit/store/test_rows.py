"""Items as rows, and the query of the newest ones."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from antiphon.entities.history import StoredItem
from antiphon.store.rows import item_columns, select_items, to_item
from antiphon.store.tables import conversation_items, metadata


def item(
    position: int, *, item_id: str = "", session: str = "s", tenant: str = "t", deleted: bool = False
) -> StoredItem:
    return StoredItem(tenant, session, item_id or f"i{position}", position, 1, b"{}", 1.5, deleted)


def found(rows: list[StoredItem], query: sa.Select[tuple[object, ...]]) -> list[StoredItem]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(sa.insert(conversation_items), [item_columns(row) for row in rows])
        read = [to_item(row) for row in connection.execute(query)]
    engine.dispose()
    return read


@pytest.mark.parametrize(
    "row",
    [
        StoredItem("t", "s", "i", 2**40, 3, 'Grüße 🎉 "\\u0000"'.encode(), 1_700_000_000.25),
        StoredItem("", "", "", 0, 0, b"", 0.0, deleted=True),
    ],
)
def test_an_item_comes_back_as_it_was_written(row: StoredItem) -> None:
    assert found([row], sa.select(conversation_items)) == [row]


def test_every_column_of_the_table_is_written() -> None:
    assert item_columns(item(1)).keys() == set(conversation_items.columns.keys())


@given(st.binary(max_size=20))
def test_content_that_is_no_text_is_refused(content: bytes) -> None:
    row = StoredItem("t", "s", "i", 1, 1, content, 1.0)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            item_columns(row)
    else:
        assert item_columns(row)["content"] == text


@pytest.mark.parametrize(
    ("limit", "before", "positions"),
    [(10, None, [4, 3, 1]), (2, None, [4, 3]), (10, 4, [3, 1]), (1, 3, [1]), (10, 1, []), (0, None, [])],
)
def test_the_newest_items_of_a_session_come_first_without_deleted_ones(
    limit: int, before: int | None, positions: list[int]
) -> None:
    rows = [item(1), item(2, deleted=True), item(3), item(4), item(5, session="u"), item(6, tenant="u")]
    assert [row.position for row in found(rows, select_items("t", "s", limit, before))] == positions


def test_items_at_one_position_are_ordered_by_their_ids() -> None:
    rows = [item(1, item_id=name) for name in "bca"]
    assert [row.item_id for row in found(rows, select_items("t", "s", 10, None))] == ["c", "b", "a"]


def test_the_newest_items_are_found_by_an_index() -> None:
    engine = sa.create_engine("sqlite://")
    query = select_items("t", "s", 100, 900).compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        metadata.create_all(connection)
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
    engine.dispose()
    assert "conversation_items_by_position" in steps[0][-1]
    assert not [step for step in steps if "SCAN" in step[-1]]
