"""Webhooks from a real log to real endpoints: failures, restarts, deadlines, dead events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from openai import OpenAI
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event, GroupLag
from antiphon.events.limits import LogLimit
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.observe.webhook_metrics import WebhookMetrics
from antiphon.ports.event_logs import Subscription
from antiphon.providers.webhooks import HttpWebhookSender
from antiphon.webhooks.endpoints import parse_endpoints
from antiphon.webhooks.signature import key_of
from antiphon.workers.webhook_lanes import Lane
from antiphon.workers.webhooks import WebhookOptions, WebhookWorker
from tests.fakes.webhook_server import Hang, Reply, WebhookServer

SECRET = "whsec_" + "QUJD" * 10
LIMIT = LogLimit(lease_s=3_600.0, capacity=5_000)
DAY_S = 86_400.0
OPTIONS = WebhookOptions(frozenset({"session.created"}), DAY_S, heartbeat_s=0.05, idle_s=0.005)


def event(name: str, **fields: object) -> Event:
    made = Event("acme", name, "session.created", b'{"type": "session.created", "note": "pa55word"}', 1.5, "sess_1", 1)
    return replace(made, **fields)  # pyright: ignore[reportArgumentType] -- fields of an event


@dataclass
class Stage:
    """A log, and what is to be sent to."""

    folder: Path
    logs: SqliteEventLogs
    clock: VirtualClock
    registry: CollectorRegistry
    metrics: WebhookMetrics
    timeout_s: float = 20.0

    @asynccontextmanager
    async def running(
        self, *servers: WebhookServer, options: WebhookOptions = OPTIONS, subscription: Subscription | None = None
    ) -> AsyncIterator[None]:
        """Run a worker that sends to these endpoints."""
        sender = HttpWebhookSender(self.timeout_s, self.clock)
        endpoints = parse_endpoints([server.url for server in servers], ["127.0.0.1"])
        lanes = [Lane(one, key_of(SECRET), sender, self.clock, self.metrics, uniform=lambda: 0.0) for one in endpoints]
        own = subscription or self.logs.subscribe(ANALYTICS, WEBHOOKS, "worker")
        task = asyncio.ensure_future(WebhookWorker(own, lanes, options, self.clock, self.metrics).run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await sender.close()

    async def lag(self) -> GroupLag:
        return next(one for one in await self.logs.lags() if one.group == WEBHOOKS)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(30):
            while not await holds():
                await asyncio.sleep(0.005)

    async def until_done(self) -> None:
        """Wait until every event is acknowledged or dead."""

        async def is_done() -> bool:
            lag = await self.lag()
            return not lag.unread and not lag.pending

        await self.until(is_done)

    async def until_postponed(self, *names: str) -> None:
        """Wait until these events, and no others, are postponed."""

        async def are_postponed() -> bool:
            return [name for name, _ in await self.postponed()] == sorted(names)

        await self.until(are_postponed)

    async def postponed(self) -> Sequence[tuple[str, float]]:
        """Return the events that wait for their next attempt, and the seconds until then."""
        query = """SELECT event_id, due_at - ? FROM pending JOIN entries USING (position)
                   WHERE "group" = ? AND due_at > ? ORDER BY event_id"""
        now = self.clock.wall()
        return await self.logs.transact(lambda file: [tuple(row) for row in file.execute(query, (now, WEBHOOKS, now))])


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock, registry = VirtualClock(), CollectorRegistry()
    logs = SqliteEventLogs(tmp_path / "events.db", LIMIT, clock)
    await logs.start()
    yield Stage(tmp_path, logs, clock, registry, WebhookMetrics(registry))
    await logs.close()


@pytest.fixture
async def servers() -> AsyncIterator[tuple[WebhookServer, WebhookServer]]:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(WebhookServer().running()) for _ in range(2)]
        yield one, other


Servers = tuple[WebhookServer, WebhookServer]


async def test_an_event_is_sent_once_to_every_endpoint_and_the_openai_library_accepts_it(
    stage: Stage, servers: Servers
) -> None:
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    stage.clock.advance(time.time() - stage.clock.wall())  # receivers look at the time
    async with stage.running(*servers):
        await stage.until_done()
    for server in servers:
        (received,) = server.received
        seen = OpenAI(api_key="none", webhook_secret=SECRET).webhooks.unwrap(received.body, received.headers)
        assert (seen.id, seen.type) == ("evt_1", "session.created")
    assert stage.registry.get_sample_value("webhook_events_total", {"result": "delivered"}) == 1.0


async def test_events_of_other_types_are_not_sent(stage: Stage, servers: Servers) -> None:
    await stage.logs.publish(ANALYTICS, [event("a", type="AnalyticsChatStats"), event("b"), event("c", type="x")])
    async with stage.running(servers[0]):
        await stage.until_done()
    assert servers[0].ids == ["b"]
    assert stage.registry.get_sample_value("webhook_events_total", {"result": "ignored"}) == 2.0


async def test_without_endpoints_every_event_is_acknowledged(stage: Stage) -> None:
    await stage.logs.publish(ANALYTICS, [event(str(number)) for number in range(200)])
    async with stage.running():
        await stage.until_done()
    assert list(await stage.logs.dead()) == []


async def test_a_healthy_endpoint_gets_an_event_once_while_another_fails(stage: Stage, servers: Servers) -> None:
    good, bad = servers
    bad.script = [Reply(500), Reply(404), Reply(302, {"location": "/elsewhere"})]
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    async with stage.running(good, bad):
        for step_s in (5, 30, 120):
            await stage.until_postponed("evt_1")
            stage.clock.advance(step_s)
        await stage.until_done()
    assert good.ids == ["evt_1"]
    assert bad.ids == ["evt_1"] * 4
    times = [int(one.headers["webhook-timestamp"]) for one in bad.received]
    assert [later - earlier for earlier, later in pairwise(times)] == [5, 30, 120]


async def test_an_endpoint_that_hangs_does_not_hold_up_events_to_the_others(stage: Stage, servers: Servers) -> None:
    good, stuck = servers
    stuck.usual = Hang()
    names = [f"evt_{number}" for number in range(300)]
    await stage.logs.publish(ANALYTICS, [event(name) for name in names])
    async with stage.running(good, stuck):
        async with asyncio.timeout(60):
            while len(good.ids) < len(names):
                stage.clock.advance(1.0)  # on a slow machine the good one may be busy, too
                await asyncio.sleep(0.05)
        assert sorted(good.ids) == sorted(names)
        assert len(stuck.received) <= 16
        assert (await stage.lag()).pending == 300
    assert stage.registry.get_sample_value("webhook_attempts_total", {"result": "busy"})


async def test_an_event_that_is_never_accepted_is_dead_after_a_day_and_can_be_retried(
    stage: Stage, servers: Servers
) -> None:
    good, bad = servers
    bad.usual = Reply(503)
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    began = stage.clock.wall()
    async with stage.running(good, bad):
        with capture_logs() as logs:
            while not list(await stage.logs.dead()):
                for _, wait_s in await stage.postponed():
                    stage.clock.advance(wait_s)
                await asyncio.sleep(0)
        (dead,) = await stage.logs.dead()
        assert dead.at - began == pytest.approx(DAY_S, abs=10.0)
        assert (dead.group, dead.reason) == (WEBHOOKS, "2:127.0.0.1 answered 503")
        assert len(bad.received) == 29  # after 5 s, 35 s, 155 s, 755 s, every hour, and at the end
        assert "pa55word" not in str(logs)
        assert "s3cret" not in str(logs)
        bad.usual = Reply(200)
        assert await stage.logs.retry([dead.dead_id]) == 1
        await stage.until_done()
    assert len(bad.received) == 30
    assert good.ids == ["evt_1"]
    assert list(await stage.logs.dead()) == []


async def test_an_endpoint_that_is_gone_makes_an_event_dead_at_once(stage: Stage, servers: Servers) -> None:
    good, gone = servers
    gone.usual = Reply(410)
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    async with stage.running(good, gone):
        await stage.until_done()
    (dead,) = await stage.logs.dead()
    assert dead.reason == "2:127.0.0.1 answered 410"
    assert (good.ids, gone.ids) == (["evt_1"], ["evt_1"])


async def test_an_endpoint_that_asks_to_wait_is_not_asked_sooner(stage: Stage, servers: Servers) -> None:
    limited, failing = servers
    limited.script = [Reply(429, {"retry-after": "60"})]
    failing.script = [Reply(500)]
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    async with stage.running(limited, failing):
        await stage.until_postponed("evt_1")
        stage.clock.advance(5)
        await failing.until(2)
        await stage.until_postponed("evt_1")
        assert len(limited.received) == 1
        stage.clock.advance(55)
        await stage.until_done()
    assert (len(limited.received), len(failing.received)) == (2, 2)


@pytest.mark.parametrize("changed", [
    {"payload": b"pa55word"}, {"payload": b"[]"}, {"event_id": "pa55word\r\nx: y"}, {"event_id": "a b"},
])  # fmt: skip
async def test_an_event_that_cannot_be_sent_is_dead_and_others_are_sent(
    stage: Stage, servers: Servers, changed: dict[str, object]
) -> None:
    await stage.logs.publish(ANALYTICS, [event("evt_1", **changed), event("evt_2")])
    async with stage.running(servers[0]):
        await stage.until_done()
    (dead,) = await stage.logs.dead()
    assert "pa55word" not in dead.reason
    assert servers[0].ids == ["evt_2"]


async def test_after_a_restart_unfinished_events_are_sent_and_finished_ones_are_not(
    stage: Stage, servers: Servers
) -> None:
    server = servers[0]
    server.script = [Reply(200), Hang()]
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    async with stage.running(server):
        await stage.until_done()
        await stage.logs.publish(ANALYTICS, [event("evt_2")])
        await server.until(2)
    async with stage.running(server):  # the first one has left: it is active at once
        await stage.until_done()
    assert server.ids == ["evt_1", "evt_2", "evt_2"]


async def test_work_is_dropped_when_another_consumer_takes_over(stage: Stage, servers: Servers) -> None:
    server, _ = servers
    server.script = [Hang()]
    await stage.logs.publish(ANALYTICS, [event("evt_1")])
    with capture_logs() as logs:
        async with stage.running(server):
            await server.until(1)
            stage.clock.advance(LIMIT.lease_s + 1)
            other = stage.logs.subscribe(ANALYTICS, WEBHOOKS, "other")

            async def took_over() -> bool:
                stage.clock.advance(LIMIT.lease_s + 1)
                return [one.event.event_id for one in await other.take(1)] == ["evt_1"]

            await stage.until(took_over)

            async def is_told() -> bool:
                return any(one["event"] == "another consumer took over webhooks" for one in logs)

            await stage.until(is_told)
            await other.leave()
            await stage.until_done()  # the worker is active again, and gets what the other one has not acknowledged
    assert server.ids == ["evt_1", "evt_1"]


async def test_while_the_logs_are_away_the_worker_waits(stage: Stage, servers: Servers) -> None:
    server = servers[0]
    server.usual = Reply(200)
    path = stage.folder / "later.db"
    logs = SqliteEventLogs(path, LIMIT, stage.clock)
    with capture_logs() as told:
        async with stage.running(server, subscription=logs.subscribe(ANALYTICS, WEBHOOKS, "worker")):

            async def is_told() -> bool:
                return any(one["event"] == "event logs failed" for one in told)

            await stage.until(is_told)
            await logs.start()
            await logs.publish(ANALYTICS, [event("evt_1")])
            await server.until(1)
    await logs.close()
    assert server.ids == ["evt_1"]
