"""Entities as rows, and the statements that write them: whatever order they come in, the same rows are there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from antiphon.entities.events import Event
from antiphon.entities.history import StoredCall, StoredItem, StoredSession, StoredUsage, Unit, storable
from antiphon.store.rows import RowWriter, to_item, to_session
from antiphon.store.tables import conversation_items, function_calls, metadata, outbox_events, sessions, usage_records

OPENED = StoredSession("t", "s", "realtime", "connected", 10.0, 4, key_id="key_1", model="m", config=b'{"a":1}')
LOST = replace(OPENED, status="disconnected", revision=5, config=b'{"a":2}')
RESUMED = replace(OPENED, created_at=20.0, revision=8, config=b'{"a":3}')
EXPIRED = StoredSession("t", "s", "realtime", "expired", 90.0, 11, closed_at=90.0)
CALL = StoredCall("t", "s", "i1", 1.0, "call_1", name="find", arguments="{}", status="completed", revision=2)
OUTPUT = StoredCall("t", "s", "i1", 2.0, output="42", completed_at=2.0, output_revision=3)


def written(table: sa.Table, *units: Unit) -> list[sa.Row[Any]]:
    """Write units one after the other; return the rows of ``table``."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for unit in units:
            for _, statement, parameters in RowWriter("sqlite").writes([unit]):
                connection.execute(statement, parameters)
        rows = list(connection.execute(sa.select(table)))
    engine.dispose()
    return rows


@pytest.mark.parametrize(
    "row",
    [
        StoredItem("t", "s", "i", 2**40, 3, 'Grüße 🎉 "\\u0000"'.encode(), 1_700_000_000.25, interrupted=True),
        StoredItem("", "", "", 0, 0, b"", 0.0, deleted=True),
    ],
)
def test_an_item_comes_back_as_it_was_written(row: StoredItem) -> None:
    assert [to_item(found) for found in written(conversation_items, Unit(items=(row,)))] == [row]


@pytest.mark.parametrize("row", [OPENED, EXPIRED, replace(LOST, kind="dubbing", conversation_id="conv_1")])
def test_a_session_comes_back_as_it_was_written(row: StoredSession) -> None:
    assert [to_session(found) for found in written(sessions, Unit(sessions=(row,)))] == [row]


@pytest.mark.parametrize("order", list(itertools.permutations((OPENED, LOST, RESUMED, EXPIRED))))
def test_states_of_a_session_in_any_order_end_with_the_newest_and_lose_nothing(
    order: tuple[StoredSession, ...],
) -> None:
    (found,) = written(sessions, *(Unit(sessions=(row,)) for row in order))
    kept = replace(EXPIRED, created_at=10.0, key_id="key_1", model="m", config=found.config.encode())
    assert to_session(found) == kept
    assert found.config in {'{"a":1}', '{"a":2}', '{"a":3}'}, "the newest state knows none"


@pytest.mark.parametrize("order", [(CALL, OUTPUT), (OUTPUT, CALL), (CALL, OUTPUT, CALL), (OUTPUT, CALL, OUTPUT)])
def test_the_halves_of_a_function_call_make_one_row_in_any_order(order: tuple[StoredCall, ...]) -> None:
    (found,) = written(function_calls, *(Unit(calls=(row,)) for row in order))
    assert (found.name, found.arguments, found.status, found.created_at) == ("find", "{}", "completed", 1.0)
    assert (found.output, found.completed_at, found.item_id) == ("42", 2.0, "i1")


def test_usage_and_events_are_counted_once_by_their_ids() -> None:
    used = StoredUsage("t", "resp_1:requests", "requests", 1, 5.0, session_id="s", key_id="key_1")
    event = Event("t", "evt_1", "analytics.turn", b'{"n": 1}', 5.0, "s", 3)
    unit = Unit(usage=(used,), events=(event,))
    (row,) = written(usage_records, unit, unit)
    assert (row.metric, row.amount, row.session_id, row.key_id, row.created_at) == ("requests", 1.0, "s", "key_1", 5.0)
    (row,) = written(outbox_events, unit, replace(unit, events=(replace(event, payload=b"{}"),)))
    assert (row.type, row.payload, row.session_sequence, row.delivered) == ("analytics.turn", '{"n": 1}', 3, 0)


def test_every_column_is_written_but_those_of_the_delivery() -> None:
    unit = Unit(
        (StoredItem("t", "s", "i", 1, 1, b"{}", 1.0),),
        (OPENED,),
        (CALL,),
        (StoredUsage("t", "u", "requests", 1, 1.0),),
        (Event("t", "e", "x", b"{}", 1.0),),
    )
    later = {"outbox_events": {"id", "delivered", "attempts", "next_attempt_at", "log"}}
    for _, statement, (columns,) in RowWriter("sqlite").writes([unit]):
        table = statement.table
        assert columns.keys() == set(table.columns.keys()) - later.get(str(table), set()), table


def test_writes_are_grouped_by_tenant_and_kind_and_ordered_by_key() -> None:
    items = [StoredItem(tenant, "s", name, 1, 1, b"{}", 1.0) for tenant, name in ("ub", "ta", "ua", "tb")]
    units = [Unit(items=(item,), sessions=(replace(OPENED, tenant=item.tenant),)) for item in items]
    made = [
        (tenant, str(statement.table), [row.get("item_id", "") for row in rows])
        for tenant, statement, rows in RowWriter("postgresql").writes(units)
    ]
    assert made == [
        ("t", "sessions", ["", ""]),
        ("t", "conversation_items", ["a", "b"]),
        ("u", "sessions", ["", ""]),
        ("u", "conversation_items", ["a", "b"]),
    ]


@given(st.binary(max_size=20))
def test_content_that_is_no_text_is_refused(content: bytes) -> None:
    unit = Unit(items=(StoredItem("t", "s", "i", 1, 1, content, 1.0),))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            list(RowWriter("sqlite").writes([unit]))
    else:
        ((_, _, (columns,)),) = RowWriter("sqlite").writes([unit])
        assert columns["content"] == storable(text)
