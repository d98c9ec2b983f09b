"""The relay: order of sessions, and faults of the logs and of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.events import ANALYTICS, LTM, Event, Log, PendingEvent
from antiphon.entities.history import Unit
from antiphon.errors import ProviderUnavailable
from antiphon.events.limits import LogLimit
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.observe.event_metrics import RelayMetrics
from antiphon.ports.event_logs import MOST_BYTES
from antiphon.store.outbox import SqlOutbox
from antiphon.store.sqlite import SqliteStore
from antiphon.workers.relay import BATCH, MOST_HOLDS, Relay, hold_s, in_order


def event(number: int, session: str = "s", **fields: object) -> Event:
    made = {"tenant": "t", "type": "a", "payload": b"{}", **fields}
    return Event(event_id=f"{session}{number}", created_at=1.0, session_id=session, session_sequence=number, **made)  # pyright: ignore[reportArgumentType] -- fields of an event


def pending(*numbers: int, session: str = "s", attempts: int = 0) -> list[PendingEvent]:
    return [PendingEvent(row, event(number, session), attempts) for row, number in enumerate(numbers)]


def numbers(found: Sequence[PendingEvent]) -> list[int]:
    return [one.event.session_sequence for one in found]


@pytest.mark.parametrize(("there", "delivered", "ready", "early"), [
    ([1, 2, 3], 0, [1, 2, 3], []),
    ([3, 1, 2], 0, [1, 2, 3], []),
    ([2, 3], 0, [], [2, 3]),
    ([2, 3], 1, [2, 3], []),
    ([1, 3, 4], 0, [1], [3, 4]),
    ([0, 5, 0], 0, [0, 0], [5]),
    ([2], 7, [2], []),
    ([], 0, [], []),
])  # fmt: skip
def test_an_event_waits_for_the_one_before_it(
    there: list[int], delivered: int, ready: list[int], early: list[int]
) -> None:
    found = in_order(pending(*there), {("t", "s"): delivered} if delivered else {})
    assert (numbers(found[0]), numbers(found[1])) == (ready, early)


def test_sessions_and_tenants_do_not_wait_for_each_other() -> None:
    other = PendingEvent(9, event(2, "s", tenant="u"), 0)
    ready, early = in_order([*pending(2), *pending(1, session="x"), other], {("u", "s"): 1})
    assert {one.event.event_id + one.event.tenant for one in ready} == {"x1t", "s2u"}
    assert numbers(early) == [2]


def test_an_event_whose_predecessor_never_comes_is_let_go_and_its_followers_with_it() -> None:
    ready, early = in_order([*pending(3, attempts=MOST_HOLDS), *pending(4)], {})
    assert (numbers(ready), early) == ([3, 4], [])


@given(st.permutations(range(1, 9)), st.integers(1, 8))
def test_whatever_the_order_of_commits_a_session_is_published_in_order(order: list[int], window: int) -> None:
    left, published = pending(*order), list[int]()
    for _ in range(100):
        ready, early = in_order(left[:window], {("t", "s"): max(published)} if published else {})
        published += numbers(ready)
        done = {one.row_id for one in ready}
        held = {one.row_id for one in early}
        kept = [one for one in left if one.row_id not in done]
        left = [one for one in kept if one.row_id not in held] + [one for one in kept if one.row_id in held]
    assert published == list(range(1, 9))


def test_the_wait_for_a_predecessor_grows_to_a_minute_in_all() -> None:
    waits = [hold_s(attempts) for attempts in range(MOST_HOLDS)]
    assert waits == sorted(waits)
    assert 50 < sum(waits) < 75


# -- with a database and a log -----------------------------------------------------------------------------------------
class World:
    """A database and logs in files, and a relay between them."""

    def __init__(self, folder: Path, capacity: int = 10_000) -> None:
        self.clock = VirtualClock()
        self.store = SqliteStore(folder / "antiphon.db")
        self.outbox = SqlOutbox(self.store, self.clock)
        self.logs = SqliteEventLogs(folder / "events.db", LogLimit(capacity=capacity), self.clock)
        self.registry = CollectorRegistry()
        self.relay = Relay(self.outbox, self.logs, RelayMetrics(self.registry), uniform=lambda: 0.0)

    async def write(self, *events: Event) -> None:
        await self.store.record([Unit(events=events)])

    async def published(self, log: Log = ANALYTICS) -> list[str]:
        return [one.event.event_id for one in await self.logs.tail(log, limit=1_000)]

    def metric(self, name: str, log: Log = ANALYTICS) -> float | None:
        return self.registry.get_sample_value(name, {"log": log})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.store.start()
    await made.logs.start()
    yield made
    await made.logs.close()
    await made.store.close()


async def test_events_reach_their_logs_once_and_leave_the_outbox(world: World) -> None:
    await world.write(event(1), event(2), event(1, "m", type="ltm"))
    for _ in range(2):
        assert not await world.relay.step(ANALYTICS)
        assert not await world.relay.step(LTM)
    assert (await world.published(), await world.published(LTM)) == (["s1", "s2"], ["m1"])
    assert world.metric("events_published_total") == 2
    assert [one.count for one in await world.outbox.undelivered()] == [0, 0, 0]


async def test_a_full_batch_asks_for_the_next_at_once(world: World) -> None:
    await world.write(*(event(0, str(number)) for number in range(BATCH + 1)))
    assert await world.relay.step(ANALYTICS)
    assert not await world.relay.step(ANALYTICS)
    assert len(await world.published()) == BATCH + 1


async def test_an_early_event_is_held_until_its_predecessor_is_there(world: World) -> None:
    await world.write(event(2))
    await world.relay.step(ANALYTICS)
    assert await world.published() == []
    await world.write(event(1))
    world.clock.advance(0.2)
    await world.relay.step(ANALYTICS)
    assert await world.published() == ["s1", "s2"]


async def test_an_event_that_a_log_refuses_leaves_the_outbox_with_an_error_and_holds_up_no_other(world: World) -> None:
    large = b'"' + b"x" * MOST_BYTES + b'"'
    await world.write(event(1), event(2, payload=large), event(3))
    with capture_logs() as logs:
        await world.relay.step(ANALYTICS)
    assert await world.published() == ["s1", "s3"]
    assert [entry["event_id"] for entry in logs if entry["event"] == "event refused by its log"] == ["s2"]
    assert [one.count for one in await world.outbox.undelivered()] == [0, 0, 0]


async def test_while_a_log_is_away_or_full_events_wait_and_the_relay_tries_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, capacity=1)
    await world.store.start()
    await world.write(event(1), event(2))
    with capture_logs() as logs:
        running = asyncio.create_task(world.relay.run(ANALYTICS))
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        world.logs.limit = LogLimit(capacity=1)
        await world.logs.start()  # now it is there, and full
        await asyncio.sleep(0.1)
        world.logs.limit = LogLimit(capacity=10)
        async with asyncio.timeout(20):
            while await world.published() != ["s1", "s2"] or world.metric("events_published_total") != 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    said = [entry["event"] for entry in logs]
    assert said[0] == "relay failed, will retry"
    assert said.count("relay failed, will retry") == 1
    await world.logs.close()
    await world.store.close()


async def test_the_lag_is_watched_and_a_failure_of_that_is_logged(world: World) -> None:
    await world.write(event(1), event(2))
    watching = asyncio.create_task(world.relay.watch())
    async with asyncio.timeout(20):
        while world.metric("outbox_undelivered") != 2:
            await asyncio.sleep(0.01)
    watching.cancel()
    await world.store.close()
    with capture_logs() as logs, pytest.raises(ProviderUnavailable):
        await world.outbox.undelivered()
    watching = asyncio.create_task(world.relay.watch())
    with capture_logs() as logs:
        await asyncio.sleep(0.1)
    watching.cancel()
    assert [entry["event"] for entry in logs] == ["lag of events unavailable"]
