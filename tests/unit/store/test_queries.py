"""The queries of the history: pages in both directions, by an index."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from antiphon.entities.history import StoredItem, Unit
from antiphon.ports.store import ItemPlace
from antiphon.store.queries import select_item_place, select_items, select_session, select_sessions
from antiphon.store.rows import RowWriter, to_item
from antiphon.store.tables import metadata


def item(
    position: int, *, item_id: str = "", session: str = "s", tenant: str = "t", deleted: bool = False
) -> StoredItem:
    return StoredItem(tenant, session, item_id or f"i{position}", position, 1, b"{}", 1.5, deleted)


def found(rows: list[StoredItem], query: sa.Select[tuple[object, ...]]) -> list[StoredItem]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for _, statement, parameters in RowWriter("sqlite").writes([Unit(items=tuple(rows))]):
            connection.execute(statement, parameters)
        read = [to_item(row) for row in connection.execute(query)]
    engine.dispose()
    return read


@pytest.mark.parametrize(
    ("limit", "beyond", "newest", "oldest"),
    [
        (10, None, [4, 3, 1], [1, 3, 4]),
        (2, None, [4, 3], [1, 3]),
        (10, (4, "i4"), [3, 1], []),
        (10, (2, "i2"), [1], [3, 4]),
        (1, (3, "i3"), [1], [4]),
        (10, (1, "i1"), [], [3, 4]),
        (0, None, [], []),
    ],
)
def test_items_of_a_session_are_paged_in_both_directions_without_deleted_ones(
    limit: int, beyond: ItemPlace | None, newest: list[int], oldest: list[int]
) -> None:
    rows = [item(1), item(2, deleted=True), item(3), item(4), item(5, session="u"), item(6, tenant="u")]
    for expected, oldest_first in ((newest, False), (oldest, True)):
        query = select_items("t", "s", limit, beyond, oldest_first=oldest_first)
        assert [row.position for row in found(rows, query)] == expected


def test_items_at_one_position_are_ordered_by_their_ids() -> None:
    rows = [item(1, item_id=name) for name in "bca"]
    newest = found(rows, select_items("t", "s", 10, None, oldest_first=False))
    assert [row.item_id for row in newest] == ["c", "b", "a"]
    after = found(rows, select_items("t", "s", 10, (1, "b"), oldest_first=True))
    assert [row.item_id for row in after] == ["c"]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select_items("t", "s", 100, (900, "i"), oldest_first=False), "conversation_items_by_position"),
        (select_items("t", "s", 100, None, oldest_first=True), "conversation_items_by_position"),
        (select_item_place("t", "s", "i"), "conversation_items_1"),
        (select_session("t", "s"), "sessions_1"),
        (
            select_sessions("t", 100, (1.0, "s"), oldest_first=False, since=0.5, until=2.0, kind=None),
            "sessions_by_time",
        ),
    ],
)
def test_a_page_is_found_by_an_index(query: sa.Select[tuple[object, ...]], index: str) -> None:
    engine = sa.create_engine("sqlite://")
    compiled = query.compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        metadata.create_all(connection)
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
    engine.dispose()
    assert index in steps[0][-1]
    assert not [step for step in steps if "SCAN" in step[-1] or "B-TREE FOR ORDER BY" in step[-1]]
