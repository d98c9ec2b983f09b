from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import ProviderBusy
from antiphon.resilience.backoff import Backoff
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from tests.virtual_time import on_virtual_time

FAST = Backoff(base_s=0.01, cap_s=0.02)


def item(position: int) -> StoredItem:
    return StoredItem("t", "s", f"i{position}", position, 1, b"{}", 1.0)


def unit(*rows: StoredItem) -> Unit:
    return Unit(items=rows)


class FaultyStore(SqliteStore):
    """The real store, which can be told to fail and counts its batches."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.failing = False
        self.failures = 0
        self.batches: list[int] = []

    async def limit_pages(self, pages: int) -> None:
        """Let the file grow to so many pages: beyond, SQLite says that the disk is full."""
        assert self._engine is not None
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    async def record(self, units: Sequence[Unit]) -> None:
        if self.failing:
            self.failures += 1
            raise ProviderBusy("the database is locked")
        self.batches.append(len(units))
        await super().record(units)


@pytest.fixture
async def store(tmp_path: Path):
    made = FaultyStore(tmp_path / "history.db")
    await made.start()
    yield made
    await made.close()


async def stored(store: FaultyStore) -> list[int]:
    return [found.position for found in await store.items("t", "s", limit=100_000, oldest_first=True)]


async def emptied(writer: StoreWriter) -> None:
    async with asyncio.timeout(20):
        while writer.backlog:
            await asyncio.sleep(0.005)


async def test_rows_of_a_moment_are_on_disk_in_one_batch(store: FaultyStore) -> None:
    writer = StoreWriter(store)
    running = asyncio.ensure_future(writer.run())
    for number in range(100):
        writer.put(unit(item(number)))
    assert store.batches == []
    await emptied(writer)
    assert store.batches == [100]
    assert await stored(store) == list(range(100))
    running.cancel()


class Rows:
    """A recorder in memory that fails so many times, and notes when it was given rows."""

    def __init__(self, clock: VirtualClock, failures: int = 0, commit_s: float = 0.0) -> None:
        self._clock = clock
        self._failures = failures
        self._commit_s = commit_s
        self.given: list[tuple[float, int]] = []
        self.ages: list[float] = []
        """How old each row was when it was on disk."""

    async def record(self, units: Sequence[Unit]) -> None:
        self.given.append((round(self._clock.now(), 3), len(units)))
        if len(self.given) <= self._failures:
            raise ProviderBusy("the database is locked")
        await asyncio.sleep(self._commit_s)
        self.ages += [self._clock.now() - row.created_at for unit in units for row in unit.items]


@on_virtual_time
async def test_no_row_is_lost_that_is_older_than_100_ms_when_the_process_is_killed(clock: VirtualClock) -> None:
    rows = Rows(clock, commit_s=0.05)
    writer = StoreWriter(rows)
    running = asyncio.ensure_future(writer.run())
    chance = random.Random(5)
    for number in range(2_000):
        writer.put(unit(replace(item(number), created_at=clock.now())))
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.03, 0.07, 0.3]))
    await asyncio.sleep(1)
    assert len(rows.ages) == 2_000
    assert max(rows.ages) <= 0.1 + 1e-9
    running.cancel()


@on_virtual_time
async def test_rows_go_to_the_store_a_moment_after_the_first_came(clock: VirtualClock) -> None:
    rows = Rows(clock)
    writer = StoreWriter(rows, flush_s=0.1)
    running = asyncio.ensure_future(writer.run())
    await asyncio.sleep(5)
    writer.put(unit(item(1)))
    await asyncio.sleep(0.05)
    await writer.write([unit(item(2))])
    assert rows.given == [(5.1, 2)]
    running.cancel()


@on_virtual_time
async def test_a_store_that_fails_is_tried_again_after_a_growing_pause(clock: VirtualClock) -> None:
    rows = Rows(clock, failures=4)
    writer = StoreWriter(rows, flush_s=0.1, backoff=Backoff(base_s=1.0, cap_s=4.0), uniform=lambda: 1.0)
    running = asyncio.ensure_future(writer.run())
    writer.put(unit(item(1)))
    assert not writer.is_failing
    await asyncio.sleep(0.2)
    assert writer.is_failing
    await writer.write([unit(item(2))])
    assert [at for at, _ in rows.given] == [0.1, 1.1, 3.1, 7.1, 11.1]
    assert not writer.is_failing
    running.cancel()


async def test_put_waits_for_no_store(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, capacity=50_000, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    for number in range(20_000):
        writer.put(unit(item(number)))
    assert (writer.backlog, store.failures) == (20_000, 0), "the store had no turn meanwhile"
    running.cancel()


async def test_a_failing_store_gets_everything_once_it_works_again(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    for number in range(50):
        writer.put(unit(item(number)))
        await asyncio.sleep(0.001)
    assert writer.backlog == 50
    store.failing = False
    await emptied(writer)
    assert await stored(store) == list(range(50))
    assert writer.dropped == 0
    running.cancel()


async def test_only_a_full_buffer_drops_and_only_the_oldest(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, capacity=10, flush_s=0.01, backoff=FAST)
    for number in range(25):
        writer.put(unit(item(number)))
    assert (writer.backlog, writer.dropped) == (10, 15)
    store.failing = False
    assert await writer.drain() == 0
    assert await stored(store) == list(range(15, 25))


async def test_a_batch_ends_at_its_size_but_has_at_least_one_unit(store: FaultyStore) -> None:
    writer = StoreWriter(store, batch_bytes=3_000)
    for number, size in enumerate([900, 900, 900, 9_000, 10]):
        writer.put(unit(replace(item(number), content=b'"' + b"x" * size + b'"')))
    assert await writer.drain() == 0
    assert store.batches == [2, 1, 1, 1]
    assert await stored(store) == list(range(5))


async def test_a_buffer_is_full_by_size_too_and_has_room_again_once_it_is_written(store: FaultyStore) -> None:
    writer = StoreWriter(store, capacity_bytes=10_000, backoff=FAST)
    large = [unit(replace(item(number), content=b'"' + b"x" * 4_000 + b'"')) for number in range(5)]
    for one in large[:4]:
        writer.put(one)
    assert (writer.backlog, writer.dropped) == (2, 2)
    assert await writer.drain() == 0
    for one in large[3:]:
        writer.put(one)
    assert (writer.backlog, writer.dropped) == (2, 2)
    assert await writer.drain() == 0
    assert await stored(store) == [2, 3, 4]


async def test_a_refused_unit_is_told_with_its_tenant_and_session(store: FaultyStore) -> None:
    writer = StoreWriter(store)
    writer.put(unit(replace(item(1), content=b"\xff")))
    with capture_logs() as logs:
        await writer.drain()
    (told,) = [one for one in logs if one["log_level"] == "error"]
    assert (told["tenant_id"], told["session_id"], told["code"]) == ("t", "s", "row_refused")


async def test_drain_stores_what_waits_also_after_the_task_was_cancelled(store: FaultyStore) -> None:
    writer = StoreWriter(store, flush_s=60)
    running = asyncio.ensure_future(writer.run())
    writer.put(unit(item(1)))
    await asyncio.sleep(0)
    running.cancel()
    assert await writer.drain() == 0
    assert await stored(store) == [1]


async def test_drain_times_out_and_says_what_is_left(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, backoff=FAST)
    writer.put(unit(item(1)))
    writer.put(unit(item(2)))
    assert await writer.drain(timeout_s=0.05) == 2


async def test_a_row_that_is_refused_permanently_is_dropped_alone(store: FaultyStore) -> None:
    writer = StoreWriter(store, batch=16)
    for number in range(50):
        content = b"\xff" if number in {7, 31} else b"{}"
        writer.put(unit(replace(item(number), content=content)))
    assert await writer.drain() == 0
    assert writer.dropped == 2
    assert await stored(store) == [number for number in range(50) if number not in {7, 31}]


async def test_a_database_locked_by_another_process_is_waited_for(store: FaultyStore, tmp_path: Path) -> None:
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.put(unit(item(1)))
    await asyncio.sleep(0.1)
    assert writer.backlog == 1
    other.execute("COMMIT")
    other.close()
    await emptied(writer)
    assert await stored(store) == [1]
    running.cancel()


async def test_a_full_disk_is_waited_out(store: FaultyStore) -> None:
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    await store.limit_pages(1)  # less than there is: not one page more
    running = asyncio.ensure_future(writer.run())
    rows = [replace(item(number), content=b'"' + b"x" * 4000 + b'"') for number in range(50)]
    for row in rows:
        writer.put(unit(row))
    await asyncio.sleep(0.1)
    assert writer.backlog == 50
    await store.limit_pages(10_000)
    await emptied(writer)
    assert await stored(store) == list(range(50))
    running.cancel()


async def test_who_waits_for_rows_is_told_when_they_are_on_disk_and_not_before(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    first = asyncio.ensure_future(writer.write([unit(item(1)), unit(item(2))]))
    second = asyncio.ensure_future(writer.write([unit(item(3))]))
    await asyncio.sleep(0.05)
    assert not first.done()
    assert not second.done()
    store.failing = False
    async with asyncio.timeout(20):
        await asyncio.gather(first, second)
    assert await stored(store) == [1, 2, 3]
    running.cancel()


async def test_who_waits_for_rows_that_are_refused_permanently_waits_no_longer(store: FaultyStore) -> None:
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    async with asyncio.timeout(20):
        await writer.write([unit(item(1)), unit(replace(item(2), content=b"\xff")), unit(item(3))])
    assert await stored(store) == [1, 3]
    running.cancel()


async def test_who_no_longer_waits_does_not_hold_up_the_others(store: FaultyStore) -> None:
    writer = StoreWriter(store, flush_s=0.01, backoff=FAST)
    gone = asyncio.ensure_future(writer.write([unit(item(1))]))
    await asyncio.sleep(0)
    gone.cancel()
    running = asyncio.ensure_future(writer.run())
    async with asyncio.timeout(20):
        await writer.write([unit(item(2))])
    assert await stored(store) == [1, 2]
    running.cancel()


async def test_who_waits_for_rows_is_not_told_of_those_of_others(store: FaultyStore) -> None:
    store.failing = True
    writer = StoreWriter(store, capacity=4, batch=2, flush_s=0.01, backoff=FAST)
    running = asyncio.ensure_future(writer.run())
    mine = asyncio.ensure_future(writer.write([unit(item(1)), unit(item(2))]))
    async with asyncio.timeout(20):
        while not store.failures:
            await asyncio.sleep(0.005)
    for number in range(3, 12):  # more than there is room for
        writer.put(unit(item(number)))
    await asyncio.sleep(0.05)
    assert writer.dropped == 7
    assert not mine.done()
    store.failing = False
    async with asyncio.timeout(20):
        await mine
        await writer.write([])
    assert {1, 2} <= set(await stored(store))
    running.cancel()
