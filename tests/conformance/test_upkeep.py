"""What `Upkeep` promises on every database: retention per tenant, and the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.events import ANALYTICS, LTM, Event
from antiphon.entities.history import StoredCall, StoredItem, StoredSession, StoredUsage, Unit
from antiphon.entities.memories import DIMENSIONS, Memory
from antiphon.store.memories import SqlMemories
from antiphon.store.opening import make_store, upkeep_store
from antiphon.store.outbox import SqlOutbox
from antiphon.store.postgres import PostgresStore
from antiphon.store.sql import SqlStore
from antiphon.store.tables import audit_logs, metadata, outbox_events, tenants
from antiphon.store.upkeep import Upkeep
from tests.postgres import Database, address, migrated

DAY_S = 86_400.0
OUTBOX_DAYS = 30
"""Delivered events are removed after these even without a retention."""
LIMITED = {"sessions", "conversation_items", "function_calls", "usage_records", "outbox_events"} | {
    "analytics_events",
    "ltm_embeddings",
}
ANALYSED = sa.text(
    "INSERT INTO analytics_events (tenant_id, event_id, type, created_at) VALUES (:tenant_id, :event_id, :type,"
    " :created_at) ON CONFLICT DO NOTHING"
)


@dataclass
class World:
    """A database with a clock, the store of requests, and the store of upkeep."""

    clock: VirtualClock
    store: SqlStore
    jobs: SqlStore
    run: Callable[[Callable[[AsyncConnection], Awaitable[Any]]], Awaitable[Any]]
    """Do something as a role that may do everything."""

    def upkeep(self, **options: int) -> Upkeep:
        return Upkeep(self.jobs, self.clock, **options)

    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self.jobs, self.clock)

    async def retain(self, **days: int) -> None:
        """Give tenants rows of their own."""
        rows = [{"tenant_id": name, "retention_days": number, "created_at": 0.0} for name, number in days.items()]
        await self.run(lambda connection: connection.execute(sa.insert(tenants), rows))

    async def fill(self, tenant: str, *ages: float) -> None:
        """Write a row of each kind and of each age in days; its events are delivered."""
        times = {age: self.clock.wall() - age * DAY_S for age in ages}
        await self.store.record([unit(tenant, age, at) for age, at in times.items()])
        events = [
            {"tenant_id": tenant, "event_id": str(age), "type": "a", "created_at": at} for age, at in times.items()
        ]
        await self.run(lambda connection: connection.execute(ANALYSED, events))
        memories = [Memory(tenant, str(age), "u", str(age), "habit", at, at) for age, at in times.items()]
        await SqlMemories(self.store, self.clock).write([(memory, [1.0] * DIMENSIONS) for memory in memories])
        await self.run(lambda connection: connection.execute(sa.update(outbox_events).values(delivered=1)))

    async def ages(self, tenant: str, table: str = "") -> list[float]:
        """Return the ages of the rows of a tenant in days: the same in all tables, but for old events."""
        if table:
            return await self._ages(metadata.tables[table], tenant)
        found = {name: await self._ages(metadata.tables[name], tenant) for name in sorted(LIMITED)}
        events, (first, *others) = found.pop("outbox_events"), found.values()
        assert all(one == first for one in others), found
        assert events in (first, [age for age in first if age < OUTBOX_DAYS])
        return first

    async def _ages(self, table: sa.Table, tenant: str) -> list[float]:
        query = sa.select(table.c.created_at).where(table.c.tenant_id == tenant).order_by(table.c.created_at.desc())

        async def read(connection: AsyncConnection) -> list[float]:
            return [round((self.clock.wall() - row[0]) / DAY_S, 3) for row in await connection.execute(query)]

        return await self.run(read)


def unit(tenant: str, age: float, at: float) -> Unit:
    name = f"{age:09.3f}"
    return Unit(
        items=(StoredItem(tenant, "s", name, 1, 1, b"{}", at),),
        sessions=(StoredSession(tenant, name, "realtime", "disconnected", at, 1, closed_at=at),),
        calls=(StoredCall(tenant, "s", name, at),),
        usage=(StoredUsage(tenant, name, "tokens", 1.0, at),),
        events=(Event(tenant, f"{tenant} {name}", "session.closed", b'{"a": 1}', at, "s"),),
    )


_databases: dict[str, Database] = {}
"""One of each server: creating one takes longer than these tests."""


async def emptied(server_url: str) -> Database:
    """Return a database without rows, but for the audit's."""
    if server_url not in _databases:
        _databases[server_url] = await migrated(server_url)
    connection = await asyncpg.connect(_databases[server_url].url("postgres"))
    await connection.execute("; ".join(f"DELETE FROM {name}" for name in sorted({*LIMITED, "tenants"})))
    await connection.close()
    return _databases[server_url]


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    url, jobs_url, root = "", "", None
    if request.param == "postgresql":
        database = await emptied(request.getfixturevalue("postgres_url"))
        url, jobs_url = database.url("antiphon_app"), database.url("antiphon_jobs")
        root = PostgresStore(address(database.url("postgres")), role=None)
        await root.open()
    store = make_store(url, tmp_path)
    jobs = upkeep_store(store, jobs_url)
    assert jobs is not None
    assert (jobs is store) == (request.param == "sqlite")
    opened = [store, *([] if jobs is store else [jobs])]
    for one in opened:
        await one.start()
    yield World(VirtualClock(), store, jobs, (root or store).transact)
    for one in [*opened, *([root] if root else [])]:
        await one.close()


async def test_each_tenant_has_its_own_limit_and_the_setting_is_for_the_others(world: World) -> None:
    await world.retain(short=30, long=365, ever=0)
    for tenant in ("short", "long", "ever", "none"):
        await world.fill(tenant, 0, 9.999, 10.001, 29.999, 30.001, 364.999, 365.001, 2000)
    await world.upkeep(retention_days=10).remove_old()
    assert await world.ages("short") == [0, 9.999, 10.001, 29.999]
    assert await world.ages("long") == [0, 9.999, 10.001, 29.999, 30.001, 364.999]
    assert await world.ages("ever") == [0, 9.999, 10.001, 29.999, 30.001, 364.999, 365.001, 2000]
    assert await world.ages("none") == [0, 9.999]


async def test_without_the_setting_tenants_without_a_row_keep_everything(world: World) -> None:
    await world.fill("none", 0, 2000)
    await world.upkeep().remove_old()
    assert await world.ages("none") == [0, 2000]
    await world.retain(short=30)
    await world.fill("short", 0, 2000)
    await world.upkeep().remove_old()
    assert (await world.ages("none"), await world.ages("short")) == ([0, 2000], [0])


async def test_events_that_are_not_delivered_stay_whatever_their_age(world: World) -> None:
    await world.fill("t", 0, 20)
    await world.store.record([unit("t", 40, world.clock.wall() - 40 * DAY_S)])
    await world.upkeep(retention_days=10).remove_old()
    assert await world.ages("t", "outbox_events") == [0, 40]
    assert await world.ages("t", "sessions") == [0]


async def test_a_session_that_never_ended_is_removed_by_its_beginning(world: World) -> None:
    at = world.clock.wall() - 20 * DAY_S
    await world.store.record([Unit(sessions=(StoredSession("t", "lost", "realtime", "connected", at, 1),))])
    await world.upkeep(retention_days=10).remove_old()
    assert await world.ages("t", "sessions") == []


async def test_the_audit_is_kept_for_seven_years_whatever_the_limit(world: World) -> None:
    ages = (0.0, 40.0, 2554.0, 2557.0)
    rows = [
        {"tenant_id": "t", "event_id": str(age), "action": "a", "created_at": world.clock.wall() - age * DAY_S}
        for age in ages
    ]
    await world.run(lambda connection: connection.execute(sa.insert(audit_logs), rows))
    await world.upkeep(retention_days=10).remove_old()
    assert await world.ages("t", "audit_logs") == [0, 40, 2554]


async def test_rows_are_removed_in_chunks_and_none_is_missed_between_them(world: World) -> None:
    transact, left = world.jobs.transact, 0
    most = 0

    async def watched(work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        nonlocal left, most
        done = await transact(work)
        before, left = left, await transact(count)
        most = max(most, before - left)
        return done

    for chunk, most_of_a_chunk in {3: 2, 6: 3}.items():
        for tenant in ("a", "b", "c"):
            await world.fill(tenant, 1, 30)
        left, most = await world.run(count), 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.jobs, "transact", watched)
            await world.upkeep(retention_days=10, chunk=chunk).remove_old()
        assert most == most_of_a_chunk
        assert left == 3 * len(LIMITED)
    for tenant in ("a", "b", "c"):
        assert await world.ages(tenant) == [1]


async def count(connection: AsyncConnection) -> int:
    numbers = [sa.select(sa.func.count()).select_from(metadata.tables[name]).scalar_subquery() for name in LIMITED]
    return (await connection.execute(sa.select(sum(numbers[1:], start=numbers[0])))).scalar_one()


async def test_doing_it_again_removes_nothing_more_and_the_log_has_the_numbers(world: World) -> None:
    await world.fill("t", 1, 20, 30)
    with capture_logs() as logs:
        await world.upkeep(retention_days=10).remove_old()
    assert {entry["table"]: entry["rows"] for entry in logs} == dict.fromkeys(LIMITED, 2)
    assert {entry["event"] for entry in logs} == {"old rows removed"}
    with capture_logs() as logs:
        await world.upkeep(retention_days=10).remove_old()
    assert logs == []


async def test_two_processes_at_once_do_the_same_work_without_an_error(world: World) -> None:
    await world.fill("t", *range(7, 14))
    await asyncio.gather(*(world.upkeep(retention_days=10, chunk=3).remove_old() for _ in range(2)))
    assert await world.ages("t") == [7, 8, 9, 10]


async def test_due_events_come_in_order_until_they_are_delivered(world: World) -> None:
    events = [Event(f"t{number}", f"e{number}", "a", b'{"n": 1}', 5.0, "s", number) for number in range(4)]
    await world.store.record([Unit(events=(event,)) for event in events])
    outbox = world.outbox()
    found = await outbox.pending_events(ANALYTICS, 10)
    assert [one.event for one in found] == events
    assert [one.attempts for one in found] == [0] * 4
    await outbox.postpone([(found[0].row_id, 0.0)])  # PostgreSQL moves a row that changes to the end
    assert await outbox.pending_events(ANALYTICS, 2) == [replace(found[0], attempts=1), found[1]]
    await outbox.mark_delivered([found[0].row_id, found[2].row_id])
    await outbox.mark_delivered([])
    assert await outbox.pending_events(ANALYTICS, 10) == [found[1], found[3]]


async def test_a_postponed_event_is_due_again_at_its_time_and_its_attempts_are_counted(world: World) -> None:
    await world.store.record([Unit(events=(Event("t", "e", "a", b"{}", 5.0),))])
    outbox = world.outbox()
    (event,) = await outbox.pending_events(ANALYTICS, 10)
    await outbox.postpone([(event.row_id, 30.0)])
    world.clock.advance(29.9)
    assert await outbox.pending_events(ANALYTICS, 10) == []
    world.clock.advance(0.1)
    (again,) = await outbox.pending_events(ANALYTICS, 10)
    assert (again.row_id, again.event, again.attempts) == (event.row_id, event.event, 1)


async def test_each_log_has_its_own_events_by_their_type(world: World) -> None:
    kinds = ["LtmWriteRequested", "ltm.write", "AnalyticsChatStats", "session.closed", "custom", "altm", "LTM"]
    events = [Event("t", kind, kind, b"{}", 5.0) for kind in kinds]
    await world.store.record([Unit(events=tuple(events))])
    for log in (LTM, ANALYTICS):
        found = [one.event for one in await world.outbox().pending_events(log, 10)]
        assert sorted(found, key=kinds_of) == sorted((one for one in events if one.log == log), key=kinds_of)


def kinds_of(event: Event) -> str:
    return event.type


async def test_undelivered_events_of_all_tenants_are_counted_due_or_not(world: World) -> None:
    outbox = world.outbox()
    assert [(one.count, one.oldest_s) for one in await outbox.undelivered()] == [(0, 0.0)] * 3
    now = world.clock.wall()
    events = [Event(f"t{number}", f"e{number}", "a", b"{}", now - number) for number in range(3)]
    await world.store.record([Unit(events=tuple(events)), Unit(events=(Event("t", "m", "ltm", b"{}", now - 9),))])
    first, *_ = await outbox.pending_events(ANALYTICS, 10)
    await outbox.postpone([(first.row_id, 1_000.0)])
    assert {one.log: (one.count, round(one.oldest_s)) for one in await outbox.undelivered()} == {
        ANALYTICS: (3, 2),
        LTM: (1, 9),
        "events.plugins": (0, 0),
    }
    await outbox.mark_delivered([first.row_id])
    await outbox.mark_refused([first.row_id + 1])
    assert {one.log: one.count for one in await outbox.undelivered()}[ANALYTICS] == 1


async def test_the_undelivered_events_of_sessions_come_by_their_numbers_due_or_not(world: World) -> None:
    events = [
        Event(tenant, f"{tenant}{number}", "a", b"{}", 5.0, "s", number) for tenant in "tu" for number in (3, 1, 2)
    ]
    await world.store.record([Unit(events=(one,)) for one in (*events, Event("t", "m", "ltm", b"{}", 5.0, "s", 1))])
    outbox = world.outbox()
    rows = {one.event.event_id: one.row_id for one in await outbox.pending_events(ANALYTICS, 10)}
    await outbox.postpone([(rows["t2"], 1_000.0)])
    await outbox.mark_delivered([rows["t1"]])
    found = await outbox.pending_of(ANALYTICS, {("t", "s"), ("x", "s")}, 10)
    assert [one.event.event_id for one in found] == ["t2", "t3"]
    assert len(await outbox.pending_of(ANALYTICS, {("t", "s"), ("u", "s")}, 3)) == 3


async def test_the_last_delivered_number_of_a_session_is_known_by_tenant_and_log(world: World) -> None:
    events = [Event(tenant, f"{tenant}{number}", "a", b"{}", 5.0, "s", number) for tenant in "tu" for number in (1, 2)]
    await world.store.record([Unit(events=(*events, Event("t", "m", "ltm", b"{}", 5.0, "s", 7)))])
    outbox = world.outbox()
    rows = {one.event.event_id: one.row_id for one in await outbox.pending_events(ANALYTICS, 10)}
    (memory,) = await outbox.pending_events(LTM, 10)
    await outbox.mark_delivered([rows["t1"], rows["t2"], memory.row_id])
    assert await outbox.delivered_until(ANALYTICS, [("t", "s"), ("u", "s"), ("t", "none")]) == {("t", "s"): 2}
    assert await outbox.delivered_until(LTM, {("t", "s")}) == {("t", "s"): 7}
    assert await outbox.delivered_until(LTM, []) == {}


async def test_delivered_events_are_removed_after_a_month_without_any_retention(world: World) -> None:
    await world.fill("t", 0, 29, 31)
    await world.store.record([Unit(events=(Event("t", "waits", "a", b"{}", world.clock.wall() - 99 * DAY_S),))])
    await world.upkeep().remove_old()
    assert await world.ages("t", "outbox_events") == [0, 29, 99]
    assert await world.ages("t", "sessions") == [0, 29, 31]
