"""A realtime connection without its socket, for the tests of what it consists of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from antiphon.clock import VirtualClock
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.snapshot import join
from antiphon.conversation.state import Rules
from antiphon.doors.realtime.checkpoint import SessionLease
from antiphon.doors.realtime.resume import Resumption
from antiphon.doors.realtime.session import RealtimeConnection
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.entities.history import Unit
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.ports.limiter import Account
from antiphon.providers.registry import load
from antiphon.state.embedded import EmbeddedSessions
from antiphon.wire.entries import PipeEntry
from tests.options import embedded_bus, link_limits, session_rules

PIPE = "t:default:session:{sess_1}"


class Stage:
    """One session, and the connection that it writes to."""

    def __init__(self, *, requests: int = 0, pipe_entries: int = 1024) -> None:
        self.clock = VirtualClock()
        self.bus = embedded_bus(self.clock, pipe_entries=pipe_entries)
        self.limiter = SlidingWindowLimiter(requests=requests, clock=self.clock)
        self.sessions = EmbeddedSessions(self.clock)
        self.units: list[Unit] = []
        vad = load("vad", ["stub"], EngineContext(data_dir=None))
        self.metrics = Metrics()
        self.services = SessionServices(self.bus, vad, self.clock, self.limiter, self.units.append, 30.0, self.metrics)
        self.events: list[dict[str, Any]] = []
        self.hung_up: list[tuple[int, str]] = []
        self.code = 1006
        self.reads = asyncio.Event()
        """While it is not set the client takes nothing."""
        self.reads.set()
        self.session: RealtimeConnection

    def begin(self, group: asyncio.TaskGroup, rules: Rules, lease: SessionLease | None) -> None:
        now = self.clock.wall()
        session = describe(None, Defaults(), now=now)
        self._open(group, Conversation.begin(session, rules, seed="s", now=now, lasts_s=3600), 1, lease)

    async def resume(self, group: asyncio.TaskGroup, after: int | None) -> None:
        """Another gateway resumes the session; its client has the events up to ``after``."""
        record, saved = await self.sessions.resume("default", "sess_1", "g2")
        machine = Conversation(join(saved.snapshot, saved.items))
        self._open(group, machine, record.epoch, SessionLease(self.sessions, record), Resumption(saved, after))

    def _open(
        self,
        group: asyncio.TaskGroup,
        machine: Conversation,
        epoch: int,
        lease: SessionLease | None,
        resumption: Resumption | None = None,
    ) -> None:
        self.session = RealtimeConnection(
            machine,
            self.services,
            link_limits(),
            group,
            self,
            account=Account("default", "open"),
            history=SessionHistory(
                self.services.record,
                self.clock,
                "realtime",
                tenant="default",
                session_id="sess_1",
                key_id="open",
                epoch=epoch,
            ),
            lease=lease,
            resumption=resumption,
        )
        self.session.open()

    def write(self, text: bytes) -> bool:
        if self.reads.is_set():
            self.events.append(msgspec.json.decode(text))
        return self.reads.is_set()

    async def send_text(self, text: bytes) -> None:
        await self.reads.wait()
        self.events.append(msgspec.json.decode(text))

    def rest(self) -> None:
        """Nobody drains here."""

    def abort(self) -> None:
        raise AssertionError("nobody takes that long here")

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append((code, reason))

    async def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Take one event of the client; returns what it was answered at once."""
        before = len(self.events)
        await self.session.frame(msgspec.json.encode({"type": kind, **fields}).decode())
        return self.events[before:]

    async def work(self, job_id: str, *entries: PipeEntry) -> None:
        """A worker's results arrive."""
        named = [msgspec.structs.replace(entry, job_id=f"sess_1.{job_id}") for entry in entries]
        await self.bus.write(PIPE, named)
        await self.turns(10 * len(entries))

    async def turns(self, number: int = 20) -> None:
        """Let everything that can happen now happen."""
        for _ in range(number):
            await asyncio.sleep(0)

    def types(self) -> list[str]:
        """The types of all events so far."""
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> dict[str, Any]:
        """The newest event of a type."""
        return next(event for event in reversed(self.events) if event["type"] == kind)


@asynccontextmanager
async def staged(rules: Rules | None = None, *, is_saved: bool = False, **options: Any) -> AsyncGenerator[Stage]:
    """Open a session; with ``is_saved`` it is saved."""
    async with asyncio.TaskGroup() as group:
        stage = Stage(**options)
        record = await stage.sessions.claim("default", "sess_1", "g1")
        stage.begin(group, rules or session_rules(), SessionLease(stage.sessions, record) if is_saved else None)
        yield stage
        await stage.session.close()
        await stage.bus.close()


@asynccontextmanager
async def resumed(stage: Stage, after: int | None) -> AsyncGenerator[None]:
    """Lose the connection of ``stage`` and resume its session; its events begin anew."""
    await stage.session.close()
    stage.events.clear()
    async with asyncio.TaskGroup() as group:
        await stage.resume(group, after)
        yield
        await stage.session.close()
