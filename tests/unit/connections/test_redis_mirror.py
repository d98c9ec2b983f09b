"""The mirror while Redis is away: bounded, quick to take, and quick to drop."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.connections.redis_mirror import RedisMirror

MESSAGES = 5_000
TEXT = "x" * 2_000


@pytest.fixture
async def away() -> AsyncIterator[tuple[RedisMirror, Counter[str]]]:
    """A mirror whose Redis takes connections and never says a word."""
    dropped: Counter[str] = Counter()
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        connection = RedisConnection(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.01)
        mirror = RedisMirror(connection, SystemClock(), lambda messages: dropped.update(lost=messages))
        yield mirror, dropped
        await mirror.close()


async def test_what_cannot_be_published_in_time_is_dropped_and_counted(
    away: tuple[RedisMirror, Counter[str]],
) -> None:
    mirror, dropped = away
    mirror.start()
    for _ in range(MESSAGES):
        mirror.tell("session", "t", "sess_1", {"type": "session.updated", "text": TEXT})
    held = MESSAGES - dropped["lost"]
    assert held * len(TEXT) <= 4 * 2**20, "so much waits, and no more"
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            while dropped["lost"] < MESSAGES:
                await asyncio.sleep(0.01)
    assert [log["event"] for log in logs if "mirror" in log["event"]] == ["mirror publish failed"]
    assert TEXT[:50] not in repr(logs)
