"""Webhooks over both event logs: restarts, and dead events that are retried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, WEBHOOKS, Event
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.events.sqlite import SqliteEventLogs
from antiphon.observe.webhook_metrics import WebhookMetrics
from antiphon.providers.webhooks import HttpWebhookSender
from antiphon.webhooks.endpoints import parse_endpoints
from antiphon.workers.webhook_lanes import Lane
from antiphon.workers.webhooks import WebhookOptions, WebhookWorker
from tests.fakes.webhook_server import Hang, Reply, WebhookServer

AnyLogs = SqliteEventLogs | RedisEventLogs
OPTIONS = WebhookOptions(frozenset({"session.created"}), 86_400.0, heartbeat_s=1.0, idle_s=0.01)


@pytest.fixture(params=["sqlite", "redis"])
async def logs(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[AnyLogs]:
    if request.param == "sqlite":
        in_file = SqliteEventLogs(tmp_path / "events.db")
        await in_file.start()
        yield in_file
        await in_file.close()
        return
    connection = RedisConnection(redis_url, most=8)
    for pattern in ("events.*", "{events.*"):
        for key in await connection.command("KEYS", pattern):
            await connection.command("DEL", key)
    yield RedisEventLogs(connection)
    await connection.close()


@asynccontextmanager
async def running(logs: AnyLogs, *servers: WebhookServer) -> AsyncIterator[None]:
    clock, metrics, sender = SystemClock(), WebhookMetrics(CollectorRegistry()), HttpWebhookSender(20.0)
    endpoints = parse_endpoints([server.url for server in servers], ["127.0.0.1"])
    lanes = [Lane(one, b"k" * 32, sender, clock, metrics) for one in endpoints]
    subscription = logs.subscribe(ANALYTICS, WEBHOOKS, "worker")
    task = asyncio.ensure_future(WebhookWorker(subscription, lanes, OPTIONS, clock, metrics).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sender.close()


async def until_done(logs: AnyLogs) -> None:
    async with asyncio.timeout(30):
        while any(one.unread or one.pending for one in await logs.lags() if one.group == WEBHOOKS):
            await asyncio.sleep(0.01)


def event(name: str) -> Event:
    return Event("t", name, "session.created", b'{"n": 1}', 1_700_000_000.25, "sess_1", 3)


async def test_events_reach_every_endpoint_and_unfinished_ones_do_after_a_restart(logs: AnyLogs) -> None:
    names = [f"evt_{number}" for number in range(40)]
    async with WebhookServer().running() as one, WebhookServer().running() as other:
        one.script = [Hang()]
        await logs.publish(ANALYTICS, [event(name) for name in names])
        async with running(logs, one, other):
            await one.until(40)
            await other.until(40)
        async with running(logs, one, other):
            await until_done(logs)
    assert set(one.ids) == set(other.ids) == set(names)
    assert list(await logs.dead()) == []


async def test_a_dead_event_is_retried_at_the_endpoint_that_does_not_have_it(logs: AnyLogs) -> None:
    async with WebhookServer().running() as good, WebhookServer().running() as gone:
        gone.script = [Reply(410)]
        await logs.publish(ANALYTICS, [event("evt_1")])
        async with running(logs, good, gone):
            await until_done(logs)
            (dead,) = await logs.dead()
            assert dead.reason == "2:127.0.0.1 answered 410"
            assert await logs.retry([dead.dead_id]) == 1
            await gone.until(2)
            await until_done(logs)
    assert (good.ids, gone.ids) == (["evt_1"], ["evt_1"] * 2)
    assert list(await logs.dead()) == []
