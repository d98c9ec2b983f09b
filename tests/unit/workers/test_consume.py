"""The loop of a consumer group: retries, dead events, leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event
from antiphon.errors import InvalidRequest, LeaseLost, ProviderBusy
from antiphon.events.limits import LogLimit
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.observe.event_metrics import ConsumerMetrics
from antiphon.workers.consume import ConsumerOptions, EventConsumer


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[SqliteEventLogs]:
    made = SqliteEventLogs(tmp_path / "events.db", LogLimit(lease_s=60.0))
    await made.start()
    yield made
    await made.close()


def events(*names: str) -> list[Event]:
    return [Event("t", name, "a", b"{}", 1.0) for name in names]


class Handler:
    """Notes what it is given, after the failures that a test has set."""

    def __init__(self, fail: Callable[[list[str]], None] = lambda _: None) -> None:
        self.seen: list[list[str]] = []
        self.fail = fail

    async def __call__(self, given: Sequence[Event]) -> None:
        names = [one.event_id for one in given]
        self.fail(names)
        self.seen.append(names)


REGISTRIES: list[CollectorRegistry] = []


def consumer(logs: SqliteEventLogs, handler: Handler, *, heartbeat_s: float = 20.0, batch: int = 200) -> EventConsumer:
    REGISTRIES.append(CollectorRegistry())
    options = ConsumerOptions(heartbeat_s=heartbeat_s, batch=batch, idle_s=0.01)
    subscription = logs.subscribe(ANALYTICS, WEBHOOKS, "one")
    return EventConsumer(WEBHOOKS, subscription, handler, options, ConsumerMetrics(REGISTRIES[-1]), lambda: 0.0)


@asynccontextmanager
async def running(made: EventConsumer) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(look: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            found = look()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


async def settled(logs: SqliteEventLogs) -> bool:
    (lag,) = [one for one in await logs.lags() if one.group == WEBHOOKS]
    return lag.unread + lag.pending == 0


def counted(name: str) -> float | None:
    return REGISTRIES[-1].get_sample_value(f"events_{name}_total", {"group": WEBHOOKS})


async def test_events_are_processed_in_order_and_acknowledged(logs: SqliteEventLogs) -> None:
    await logs.publish(ANALYTICS, events(*"abcde"))
    handler = Handler()
    async with running(consumer(logs, handler, batch=2)):
        await until(lambda: settled(logs))
        await logs.publish(ANALYTICS, events("f"))
        await until(lambda: settled(logs))
    assert handler.seen == [["a", "b"], ["c", "d"], ["e"], ["f"]]
    assert (counted("processed"), counted("failed"), counted("dead")) == (6, None, None)


async def test_a_transient_failure_is_tried_again_for_ever_before_later_events(logs: SqliteEventLogs) -> None:
    left = iter(range(50))

    def fail(_: list[str]) -> None:
        if next(left, None) is not None:
            raise ProviderBusy("not now")

    await logs.publish(ANALYTICS, events(*"abc"))
    handler = Handler(fail)
    with capture_logs() as said:
        async with running(consumer(logs, handler, batch=2)):
            await until(lambda: settled(logs))
    assert handler.seen == [["a", "b"], ["c"]]
    assert counted("failed") == 50
    assert await logs.dead() == []
    assert [one["failures"] for one in said if one["event"] == "events not processed, will retry"] == [
        1,
        2,
        4,
        8,
        16,
        32,
    ]


async def test_a_refused_event_is_dead_and_the_others_of_its_batch_are_not(logs: SqliteEventLogs) -> None:
    def fail(names: list[str]) -> None:
        if "bad" in names:
            raise InvalidRequest("no object", param="payload")

    await logs.publish(ANALYTICS, events("a", "bad", "b"))
    handler = Handler(fail)
    with capture_logs() as said:
        async with running(consumer(logs, handler)):
            await until(lambda: settled(logs))
    assert handler.seen == [["a"], ["b"]]
    (dead,) = await logs.dead()
    assert (dead.event.event_id, dead.reason) == ("bad", "InvalidRequest: no object")
    assert [one["event_id"] for one in said if one["event"] == "event is dead"] == ["bad"]
    assert counted("dead") == 1


async def test_an_event_that_killed_five_consumers_is_dead_without_being_processed(logs: SqliteEventLogs) -> None:
    await logs.publish(ANALYTICS, events("poison", "b"))
    for _ in range(5):
        killed = logs.subscribe(ANALYTICS, WEBHOOKS, "killed")
        assert (await killed.take(1))[0].event.event_id == "poison"
        await killed.leave()
    handler = Handler()
    async with running(consumer(logs, handler)):
        await until(lambda: settled(logs))
    assert handler.seen == [["b"]]
    (dead,) = await logs.dead()
    assert dead.reason == "delivered 5 times without an outcome"


async def test_a_consumer_that_ends_leaves_its_events_to_the_next_at_once(logs: SqliteEventLogs) -> None:
    def fail(_: list[str]) -> None:
        raise ProviderBusy("not now")

    await logs.publish(ANALYTICS, events("a"))
    async with running(consumer(logs, Handler(fail))):
        await until(lambda: bool(counted("failed")))
    handler = Handler()
    async with running(consumer(logs, handler)):
        await until(lambda: settled(logs))
    assert handler.seen == [["a"]]


async def test_a_consumer_that_was_replaced_stops_its_work_at_the_next_heartbeat(logs: SqliteEventLogs) -> None:
    ended = asyncio.Event()

    class Endless(Handler):
        async def __call__(self, given: Sequence[Event]) -> None:
            await super().__call__(given)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    await logs.publish(ANALYTICS, events("a"))
    slow = Endless()
    with capture_logs() as said:
        async with running(consumer(logs, slow, heartbeat_s=0.05)):
            await until(lambda: bool(slow.seen))
            other = logs.subscribe(ANALYTICS, WEBHOOKS, "other")
            taken: Sequence[object] = ()
            while not taken:
                logs.limit = LogLimit(lease_s=-1.0)  # whoever comes next takes over
                await asyncio.sleep(0.1)
                logs.limit = LogLimit(lease_s=60.0)
                taken = await other.take(1)
            async with asyncio.timeout(20):
                await ended.wait()
            await until(lambda: any(one["event"] == "another consumer took over" for one in said))
    assert slow.seen == [["a"]]


async def test_logs_that_are_away_are_waited_for(tmp_path: Path) -> None:
    logs = SqliteEventLogs(tmp_path / "events.db")
    handler = Handler()
    with capture_logs() as said:
        async with running(consumer(logs, handler)):
            await asyncio.sleep(0.05)
            await logs.start()
            await logs.publish(ANALYTICS, events("a"))
            await until(lambda: settled(logs))
    assert handler.seen == [["a"]]
    assert [one["event"] for one in said] == ["event logs failed"]
    await logs.close()


def test_a_lost_lease_is_no_verdict_on_an_event() -> None:
    assert not issubclass(LeaseLost, InvalidRequest)
