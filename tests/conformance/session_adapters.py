"""Every adapter of `Sessions`, and a way to let time pass for it. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from antiphon.clock import VirtualClock
from antiphon.ports.sessions import Change, EndedSession, Sessions
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.redis.sessions import RedisSessions
from tests.conformance.redis_time import AgedConnection, let_pass

RESUME_S = 60.0
LIVENESS_S = 30.0
EVENTS_S = 60.0
IN_TIME = 0.8
"""So much of a time is surely not all of it, also where a busy machine is late by some seconds."""


@dataclass
class Stage:
    """The sessions under test, and a way to let time pass for them."""

    sessions: Sessions
    advance: Callable[[float], None]


@asynccontextmanager
async def embedded(_: str) -> AsyncGenerator[Stage]:
    clock = VirtualClock()
    yield Stage(
        EmbeddedSessions(clock, resume_window_s=RESUME_S, liveness_s=LIVENESS_S, event_window_s=EVENTS_S), clock.advance
    )


@asynccontextmanager
async def redis(url: str) -> AsyncGenerator[Stage]:
    connection = AgedConnection(url)
    await connection.command("FLUSHDB")
    sessions = RedisSessions(connection, resume_window_s=RESUME_S, liveness_s=LIVENESS_S, event_window_s=EVENTS_S)

    def advance(seconds: float) -> None:
        let_pass(url, seconds)
        connection.aged_s += seconds

    yield Stage(sessions, advance)
    await connection.close()


ADAPTERS: dict[str, Callable[[str], AbstractAsyncContextManager[Stage]]] = {"embedded": embedded, "redis": redis}


async def over(stage: Stage) -> list[EndedSession]:
    """Clean up the sessions whose time is over."""
    return [one async for one in stage.sessions.expired()]


STATE = Change(b"state", 7, b"jobs", {"a": b"1", "b": b"2"}, (), b"said")
