"""What every `Store` promises of sessions, calls, usage and events, and of rows that are written together."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.entities.events import Event
from antiphon.entities.history import StoredCall, StoredItem, StoredSession, StoredUsage, Unit
from antiphon.errors import InvalidRequest
from antiphon.ports.store import SessionPlace
from antiphon.store.postgres import PostgresStore
from antiphon.store.sql import SqlStore
from antiphon.store.sqlite import SqliteStore
from antiphon.store.tables import conversation_items, function_calls, outbox_events, sessions, usage_records
from tests.postgres import Database, address, migrated

_databases: dict[str, Database] = {}


async def emptied(server_url: str) -> Database:
    """Return the database of these tests without rows: making one for each takes half a second."""
    if server_url not in _databases:
        _databases[server_url] = await migrated(server_url)
    connection = await asyncpg.connect(_databases[server_url].url("postgres"))
    for table in (sessions, conversation_items, function_calls, usage_records, outbox_events):
        await connection.execute(f"DELETE FROM {table}")
    await connection.close()
    return _databases[server_url]


_migrated: list[bytes] = []


async def copied(path: Path) -> Path:
    """Put an empty database there: a migration takes longer than a test."""
    if not _migrated:
        store = SqliteStore(path)
        await store.start()
        await store.close()
        _migrated.append(path.read_bytes())
    path.write_bytes(_migrated[0])
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str) -> AsyncIterator[SqlStore]:
    made: SqlStore
    if request.param == "sqlite":
        made = SqliteStore(await copied(tmp_path / "history.db"))
    else:
        made = PostgresStore(address((await emptied(postgres_url)).url("antiphon_app")))
    await made.start()
    yield made
    await made.close()


async def rows(store: SqlStore, table: sa.Table, tenant: str = "t") -> Sequence[sa.Row[Any]]:
    """Return the rows of a tenant that the port has no query for."""

    async def read(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.select(sa.func.set_config("antiphon.tenant", tenant, True)))
        return (await connection.execute(sa.select(table).where(table.c.tenant_id == tenant))).all()

    return await store.transact(read)


def session(name: str, at: float = 10.0, *, tenant: str = "t", **fields: Any) -> StoredSession:
    return StoredSession(
        tenant, name, **{"kind": "realtime", "status": "connected", **fields}, created_at=at, revision=1
    )


async def record(store: SqlStore, *found: StoredSession) -> None:
    await store.record([Unit(sessions=(one,)) for one in found])


# -- sessions ----------------------------------------------------------------------------------------------------------
OPENED = StoredSession(
    *("t", "s", "realtime", "connected", 10.0, 4),
    key_id="key_1",
    model="m",
    config='{"instructions":"Grüße \\u0000"}'.encode(),
    conversation_id="conv_1",
)
LOST = replace(OPENED, status="disconnected", created_at=10.5, revision=5)
EXPIRED = StoredSession("t", "s", "realtime", "expired", 90.0, 7, closed_at=90.0)


async def test_a_session_comes_back_as_it_was_recorded(store: SqlStore) -> None:
    await record(store, OPENED)
    assert await store.session("t", "s") == OPENED
    assert await store.sessions("t") == [OPENED]
    assert await store.session("t", "other") is None
    assert await store.session("u", "s") is None


@pytest.mark.parametrize("together", [True, False])
async def test_states_of_a_session_make_one_in_any_order(store: SqlStore, *, together: bool) -> None:
    expected = replace(OPENED, status="expired", closed_at=90.0, revision=7)
    for number, order in enumerate(itertools.permutations((OPENED, LOST, EXPIRED))):
        name = f"s{number}"
        units = [Unit(sessions=(replace(one, session_id=name),)) for one in order]
        for batch in [units] if together else [[unit] for unit in units]:
            await store.record(batch)
        assert await store.session("t", name) == replace(expected, session_id=name), order


async def test_an_older_state_of_a_session_changes_nothing_that_is_known(store: SqlStore) -> None:
    await record(store, replace(LOST, model="newer", created_at=10.0))
    await record(store, OPENED)
    assert await store.session("t", "s") == replace(LOST, model="newer", created_at=10.0)


async def names(store: SqlStore, **query: Any) -> list[str]:
    return [one.session_id for one in await store.sessions("t", **query)]


async def test_sessions_are_listed_by_their_beginning_newest_first(store: SqlStore) -> None:
    await record(store, session("b", 2.0), session("a", 3.0), session("c", 1.0), session("d", 9.0, tenant="u"))
    assert await names(store) == ["a", "b", "c"]
    assert await names(store, oldest_first=True) == ["c", "b", "a"]
    assert await names(store, limit=2) == ["a", "b"]


async def test_the_bounds_of_a_list_include_the_first_time_and_not_the_last(store: SqlStore) -> None:
    await record(store, *(session(f"s{number}", float(number)) for number in range(5)))
    assert await names(store, since=1.0, until=3.0) == ["s2", "s1"]
    assert await names(store, since=3.5) == ["s4"]
    assert await names(store, until=1.0, oldest_first=True) == ["s0"]
    assert await names(store, since=3.0, until=3.0) == []


async def test_sessions_of_one_kind_are_listed(store: SqlStore) -> None:
    await record(store, session("a", 1.0), session("b", 2.0, kind="dubbing"), session("c", 3.0, kind="translation"))
    assert await names(store, kind="dubbing") == ["b"]
    assert await names(store, kind="captions") == []


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_sessions_are_paged_in_both_directions_also_at_one_time(store: SqlStore, *, oldest_first: bool) -> None:
    made = [session(f"s{number:02}", float(number // 5)) for number in range(13)]
    await record(store, *made, session("other", 1.0, tenant="u"))
    everything = [one.session_id for one in made][:: 1 if oldest_first else -1]
    for limit in (1, 4, 13):
        found: list[str] = []
        beyond: SessionPlace | None = None
        while page := await store.sessions("t", limit=limit, beyond=beyond, oldest_first=oldest_first):
            found += [one.session_id for one in page]
            beyond = page[-1].created_at, page[-1].session_id
        assert found == everything


# -- places of items ---------------------------------------------------------------------------------------------------
def item(name: str, position: int, *, tenant: str = "t", revision: int = 1, deleted: bool = False) -> StoredItem:
    return StoredItem(tenant, "s", name, position, revision, b"" if deleted else b"{}", 1.0, deleted)


async def test_an_item_has_a_place_also_when_it_was_deleted(store: SqlStore) -> None:
    await store.record([Unit(items=(item("a", 3), item("b", 2**40), item("c", 5, tenant="u")))])
    assert await store.item_place("t", "s", "a") == (3, "a")
    assert await store.item_place("t", "s", "b") == (2**40, "b")
    await store.record([Unit(items=(item("a", 3, revision=2, deleted=True),))])
    assert await store.item_place("t", "s", "a") == (3, "a")
    for tenant, session_id, item_id in (("t", "s", "none"), ("t", "other", "a"), ("u", "s", "a"), ("t", "s", "c")):
        assert await store.item_place(tenant, session_id, item_id) is None


# -- calls, usage and events -------------------------------------------------------------------------------------------
CALL = StoredCall("t", "s", "i1", 1.0, "call_1", name="find", arguments="{", status="completed", revision=2)
OUTPUT = StoredCall("t", "s", "i1", 2.0, output="42", completed_at=2.0, output_revision=3)
USED = StoredUsage("t", "resp_1:requests", "requests", 1, 5.0, session_id="s", key_id="key_1")
EVENT = Event("t", "evt_1", "analytics.turn", b'{"n": 1}', 5.0, "s", 3)


@pytest.mark.parametrize("order", [(CALL, OUTPUT), (OUTPUT, CALL), (CALL, replace(CALL, revision=1, name="x"), OUTPUT)])
async def test_both_halves_of_a_function_call_make_one_row(store: SqlStore, order: tuple[StoredCall, ...]) -> None:
    await store.record([Unit(calls=(half,)) for half in order])
    (found,) = await rows(store, function_calls)
    assert (found.call_id, found.name, found.arguments, found.status) == ("call_1", "find", "{", "completed")
    assert (found.output, found.created_at, found.completed_at) == ("42", 1.0, 2.0)


async def test_calls_of_one_id_are_two_rows_and_the_newest_output_counts(store: SqlStore) -> None:
    other = replace(CALL, item_id="i2", name="other")
    newer = replace(OUTPUT, output="43", output_revision=5)
    await store.record([Unit(calls=(half,)) for half in (CALL, other, newer, OUTPUT)])
    found = await rows(store, function_calls)
    assert sorted((one.item_id, one.name, one.output) for one in found) == [("i1", "find", "43"), ("i2", "other", None)]


async def test_a_call_that_is_deleted_is_emptied(store: SqlStore) -> None:
    gone = (
        StoredCall("t", "s", "i1", 3.0, status="deleted", revision=8),
        StoredCall("t", "s", "i1", 3.0, output_revision=9),
    )
    await store.record([Unit(calls=(half,)) for half in (*gone, CALL, OUTPUT)])
    (found,) = await rows(store, function_calls)
    assert (found.name, found.arguments, found.output, found.status) == ("", "", None, "deleted")


async def test_usage_is_counted_once(store: SqlStore) -> None:
    other = replace(USED, tenant="u")
    await store.record([Unit(usage=(USED, other)), Unit(usage=(replace(USED, amount=7),))])
    await store.record([Unit(usage=(USED,))])
    assert [(one.record_id, one.amount, one.key_id) for one in await rows(store, usage_records)] == [
        ("resp_1:requests", 1.0, "key_1")
    ]
    assert len(await rows(store, usage_records, "u")) == 1


async def test_an_event_is_stored_once_and_has_not_been_delivered(store: SqlStore) -> None:
    unit = Unit(events=(EVENT, replace(EVENT, event_id="evt_2", session_sequence=4)))
    await asyncio.gather(*(store.record([unit]) for _ in range(5)))
    found = await rows(store, outbox_events)
    assert sorted((one.event_id, one.payload, one.session_sequence, one.delivered) for one in found) == [
        ("evt_1", '{"n": 1}', 3, 0),
        ("evt_2", '{"n": 1}', 4, 0),
    ]


# -- units -------------------------------------------------------------------------------------------------------------
WHOLE = Unit((item("a", 1),), (OPENED,), (CALL,), (USED,), (EVENT,))


async def counts(store: SqlStore) -> list[int]:
    """Return how many rows of each kind there are."""
    kept = [len(await rows(store, table)) for table in (function_calls, usage_records, outbox_events)]
    return [len(await store.items("t", "s")), len(await store.sessions("t")), *kept]


@pytest.mark.parametrize(
    "broken",
    [
        {"items": (item("b", 2**70),)},
        {"items": (replace(item("b", 2), content=b"\xff"),)},
        {"sessions": (session("s2", kind="none"),)},
        {"sessions": (replace(OPENED, revision=2**70),)},
        {"calls": (replace(CALL, call_id="call_2", revision=2**70),)},
        {"events": (replace(EVENT, session_sequence=2**70),)},
    ],
)
async def test_a_unit_with_one_refused_row_leaves_nothing(store: SqlStore, broken: dict[str, Any]) -> None:
    (kind,) = broken
    unit = replace(WHOLE, **{kind: getattr(WHOLE, kind) + broken[kind]})
    with pytest.raises(InvalidRequest):
        await store.record([unit])
    assert await counts(store) == [0] * 5
    await store.record([WHOLE])
    assert await counts(store) == [1] * 5


async def test_texts_and_ids_with_a_zero_character_are_stored_without_it(store: SqlStore) -> None:
    unit = Unit(
        (replace(WHOLE.items[0], item_id="a\0"),),
        (replace(OPENED, model="m\0"),),
        (replace(CALL, name="find\0", arguments='{"\0"}'), replace(OUTPUT, output="\0")),
        (replace(USED, record_id="\0"),),
        (replace(EVENT, type="x\0"),),
    )
    await store.record([unit])
    await store.record([unit])
    assert [one.item_id for one in await store.items("t", "s")] == ["a\ufffd"]
    (found,) = await store.sessions("t")
    assert found.model == "m\ufffd"
    (call,) = await rows(store, function_calls)
    assert (call.name, call.arguments, call.output) == ("find\ufffd", '{"\ufffd"}', "\ufffd")
    assert [one.record_id for one in await rows(store, usage_records)] == ["\ufffd"]
    assert [one.type for one in await rows(store, outbox_events)] == ["x\ufffd"]
