"""A realtime connection without its socket: what it does between the client's frames and the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import VirtualClock
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.realtime_link import Link, LinkLimits, LinkServices
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.providers.registry import load


class Stage:
    """One link, and the connection that it writes to."""

    def __init__(self, group: asyncio.TaskGroup, rules: Rules, *, requests: int = 0) -> None:
        self.clock = VirtualClock()
        self.bus = EmbeddedBus(self.clock)
        self.limiter = SlidingWindowLimiter(requests=requests, clock=self.clock)
        self.events: list[dict[str, Any]] = []
        self.hung_up: list[tuple[int, str]] = []
        vad = load("vad", ["stub"], EngineContext(data_dir=None))  # pyright: ignore[reportArgumentType] -- not read by the stub
        services = LinkServices(self.bus, vad, self.clock, self.limiter, lambda row: None)
        now = self.clock.wall()
        machine = Conversation.begin(describe(None, Defaults(), now=now), rules, seed="s", now=now, lasts_s=3600)
        self.link = Link(machine, services, LinkLimits(), group, self, tenant="default", session_id="sess_1", epoch=1)  # pyright: ignore[reportArgumentType] -- all that a link needs of it

    def write(self, text: bytes) -> bool:
        self.events.append(msgspec.json.decode(text))
        return True

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append((code, reason))

    async def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Take one event of the client; returns what it was answered at once."""
        before = len(self.events)
        await self.link.frame(msgspec.json.encode({"type": kind, **fields}).decode())
        return self.events[before:]


@asynccontextmanager
async def staged(rules: Rules | None = None, **options: Any) -> AsyncGenerator[Stage]:
    async with asyncio.TaskGroup() as group:
        stage = Stage(group, rules or Rules(), **options)
        stage.link.open()
        yield stage
        await stage.link.close()
        await stage.bus.close()


# -- rate limits -----------------------------------------------------------------------------------------------------
async def answer(stage: Stage) -> str:
    """Ask for an answer and break it off; returns the type of what came first, or the error's code."""
    first = (await stage.send("response.create"))[0]
    await stage.send("response.cancel")
    return first["error"]["code"] if first["type"] == "error" else first["type"]


async def test_a_limit_that_was_used_up_recovers_with_time() -> None:
    async with staged(requests=2) as stage:
        assert [await answer(stage) for _ in range(3)] == ["response.created"] * 2 + ["rate_limit_exceeded"]
        stage.clock.advance(61)
        assert await answer(stage) == "response.created"


async def test_what_other_sessions_use_up_counts() -> None:
    async with staged(requests=2) as stage:
        stage.limiter.charge("default", requests=1)
        assert await answer(stage) == "response.created"
        assert await answer(stage) == "rate_limit_exceeded"
        limits = next(event for event in stage.events if event["type"] == "rate_limits.updated")["rate_limits"]
        assert [(limit["name"], limit["limit"], limit["remaining"]) for limit in limits] == [("requests", 2, 0)]


async def test_without_limits_none_are_told() -> None:
    async with staged() as stage:
        assert [await answer(stage) for _ in range(20)] == ["response.created"] * 20
        assert "rate_limits.updated" not in {event["type"] for event in stage.events}
