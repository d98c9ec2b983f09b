"""A gateway with a realtime door, and its clients without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from antiphon.clock import VirtualClock
from antiphon.conversation.session import Defaults
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.realtime.endpoint import RealtimeDoor, RealtimeOptions
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.entities.history import StoredSession, Unit
from antiphon.errors import ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.ports.sessions import SessionRecord
from antiphon.providers.registry import load
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.embedded_uses import EmbeddedUses
from tests.options import embedded_bus, link_limits, session_rules
from tests.unit.doors.websocket.stage import Peer

KEYS = ("first-key-of-the-server", "second-key-of-the-server")
BUSY = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}


class Faulty(EmbeddedSessions):
    """Sessions whose heartbeats can fail."""

    is_away = False

    async def heartbeat(self, record: SessionRecord) -> None:
        if self.is_away:
            raise ProviderUnavailable("away", code="redis_unavailable")
        await super().heartbeat(record)


class Client(Peer):
    """A client of the door."""

    def __init__(self, door: RealtimeDoor, query: str, headers: dict[str, str]) -> None:
        super().__init__()
        pairs = {"authorization": f"Bearer {KEYS[0]}", **headers}
        scope = {
            "type": "websocket",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        }
        self.frames.put_nowait({"type": "websocket.connect"})
        self.serving = asyncio.create_task(door(scope, self.receive, self.send))

    async def until(self, done: Callable[[], Any]) -> None:
        """Return when ``done``, on virtual or real time."""
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.001)

    async def event(self, kind: str) -> dict[str, Any]:
        """Return the first event of a type."""
        await self.until(lambda: kind in [event["type"] for event in self.events()] or self.serving.done())
        (found, *_) = [event for event in self.events() if event["type"] == kind]
        return found

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    async def refusal(self) -> tuple[int, dict[str, Any]]:
        """Return status and error of a refused handshake."""
        await self.serving
        start, body = self.sent
        return start["status"], json.loads(body["body"])["error"]

    async def close_code(self) -> int:
        await self.serving
        return self.sent[-1]["code"]


class Stage:
    """A gateway with a realtime door; several may share their sessions."""

    def __init__(
        self, clock: VirtualClock | None = None, *, sessions: Faulty | None = None, resumes: bool = True, **room: Any
    ) -> None:
        self.clock = clock or VirtualClock()
        self.sessions = Faulty(self.clock) if sessions is None else sessions
        self.units: list[Unit] = []
        self.metrics = Metrics()
        self.secrets = EphemeralSecrets(b"k" * 32)
        self.bus = embedded_bus(self.clock)
        self.name = f"gateway {id(self)}"
        vad = load("vad", ["stub"], EngineContext(data_dir=None))
        limiter = SlidingWindowLimiter(clock=self.clock)
        services = SessionServices(self.bus, vad, self.clock, limiter, self.units.append, 30.0, self.metrics)
        options = RealtimeOptions(
            session_rules(), link_limits(), Defaults(), self.name, resumes=resumes, sweep_s=1.0, heartbeat_s=10.0
        )
        self.registry = ConnectionRegistry(self.metrics, **room)
        access = Access(KEYS, self.secrets, self.clock)
        usage = SecretUsage(EmbeddedUses(self.clock))
        self.door = RealtimeDoor(access, services, self.sessions, self.metrics, options, self.registry, usage)

    @asynccontextmanager
    async def client(self, query: str = "", **headers: str) -> AsyncGenerator[Client]:
        """Connect a client; it is lost when the block ends."""
        client = Client(self.door, query, headers)
        try:
            yield client
        finally:
            client.leaves(code=1006)
            await client.serving

    @property
    def rows(self) -> list[StoredSession]:
        """The states of sessions that were recorded."""
        return [row for unit in self.units for row in unit.sessions]

    async def saved(self) -> tuple[str, str, str]:
        """Begin a session and lose it; returns its id, its resume token, and a cursor."""
        async with self.client() as client:
            created = await client.event("session.created")
            client.says(text=json.dumps(BUSY))
            updated = await client.event("session.updated")
        return created["session"]["id"], created["antiphon"]["resume_token"], updated["event_id"]


@asynccontextmanager
async def running(endless: Callable[[], Any]) -> AsyncIterator[None]:
    """Run an endless task of the door."""
    task = asyncio.ensure_future(endless())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
