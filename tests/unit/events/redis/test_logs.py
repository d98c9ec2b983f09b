"""Entries that other programs write, and what they see of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, ANALYTICS_WORKERS, LTM, LTM_WORKERS, Event
from antiphon.events.redis.logs import RedisEventLogs
from tests.valkey import Valkey


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[RedisConnection]:
    """One to a server of its own: the names of the logs are fixed."""
    server = Valkey(tmp_path)
    made = RedisConnection(server.url)
    yield made
    await made.close()
    server.stop()


async def test_an_entry_with_only_a_type_and_a_payload_is_an_event(connection: RedisConnection) -> None:
    logs = RedisEventLogs(connection)
    entry = await connection.command("XADD", LTM, "*", "type", "LtmWriteRequested", "payload", '{"a": 1}')
    bad = await connection.command("XADD", LTM, "*", "created_at", "soon", "session_sequence", "x", "type", b"\xff")
    subscription = logs.subscribe(LTM, LTM_WORKERS, "one")
    first, second = [one.event for one in await subscription.take(5)]
    assert first == Event("default", entry.decode(), "LtmWriteRequested", b'{"a": 1}', 0.0)
    assert (second.event_id, second.created_at, second.session_sequence) == (bad.decode(), 0.0, 0)
    assert second.payload == b"{}"


async def test_ours_are_entries_of_a_stream_with_a_consumer_group(connection: RedisConnection) -> None:
    logs = RedisEventLogs(connection)
    await logs.publish(ANALYTICS, [Event("t", "e", "AnalyticsStop", b'{"b": 2}', 7.5, "sess_1", 3)])
    (_, fields), *_ = await connection.command("XRANGE", ANALYTICS, "-", "+")
    assert fields[b"type"] == b"AnalyticsStop"
    assert fields[b"payload"] == b'{"b": 2}'
    assert fields[b"event_id"] == b"e"
    await logs.subscribe(ANALYTICS, ANALYTICS_WORKERS, "me").take(5)
    pending = await connection.command("XPENDING", ANALYTICS, ANALYTICS_WORKERS)
    assert (pending["pending"], [one["name"] for one in pending["consumers"]]) == (1, [b"me"])


async def test_an_entry_that_somebody_removed_is_forgotten(connection: RedisConnection) -> None:
    logs = RedisEventLogs(connection)
    await logs.publish(ANALYTICS, [Event("t", name, "a", b"{}", 1.0) for name in "ab"])
    one, two = (logs.subscribe(ANALYTICS, ANALYTICS_WORKERS, name) for name in ("one", "two"))
    taken = await one.take(1)
    await connection.command("XDEL", ANALYTICS, taken[0].position)
    await one.leave()
    assert [delivery.event.event_id for delivery in await two.take(5)] == ["b"]


async def test_a_log_whose_groups_are_gone_is_read_from_its_beginning(connection: RedisConnection) -> None:
    logs = RedisEventLogs(connection)
    await connection.command("XADD", ANALYTICS, "*", "type", "a", "payload", "{}")
    assert {lag.unread for lag in await logs.lags() if lag.log == ANALYTICS} == {1}
    assert len(await logs.subscribe(ANALYTICS, ANALYTICS_WORKERS, "one").take(5)) == 1
