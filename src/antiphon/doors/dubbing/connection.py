"""One Socket.IO connection of the dubbing door: its events in their order, and what it is sent in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from msgspec import Struct

from antiphon.doors.access.authentication import Identity
from antiphon.doors.dubbing.driver import StreamDriver
from antiphon.doors.dubbing.transports import Transport
from antiphon.observe.tasks import unattended

_MOST_UNSENT = 4
"""While more waits for a client that does not read, no fragment of it is taken."""


class DubbingConnection:
    """The connection of at most one stream."""

    def __init__(
        self,
        sid: str,
        transport: Transport,
        identity: Identity,
        emit: Callable[[str, str, Struct], Awaitable[None]],
        on_complete: Callable[[DubbingConnection], None],
        on_idle: Callable[[DubbingConnection], None],
        hang_up: Callable[[str], None],
    ) -> None:
        """``emit`` returns when the event has left the process; ``hang_up`` ends the connection."""
        self.sid = sid
        self.transport = transport
        """What it speaks over."""
        self.identity = identity
        self.stream: StreamDriver | None = None
        """Its stream, from `StreamRegistry.attach` to `StreamRegistry.detach`."""
        self.closes: asyncio.TimerHandle | None = None
        """Ends the connection: it has done nothing for long, or its stream is complete."""
        self._emit = emit
        self._unsent: deque[tuple[str, Struct]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._on_complete = on_complete
        self._on_idle = on_idle
        self._hang_up = hang_up

    def send(self, name: str, payload: Struct) -> None:
        """Send an event, after those before it."""
        self._unsent.append((name, payload))
        if len(self._unsent) > _MOST_UNSENT:
            self._has_room.clear()
        if self._sender is None:
            self._sender = unattended(self._send_all(), name=f"dubbing sender {self.sid}")

    def complete(self) -> None:
        """The stream is complete."""
        self._on_complete(self)

    def displaced(self) -> None:
        """Another connection, or another gateway, has the stream."""
        self.stream = None
        self._hang_up(self.sid)

    async def room(self) -> None:
        """Return when the client reads what it is sent."""
        await self._has_room.wait()

    @property
    def is_idle(self) -> bool:
        """True when nothing is under way for the client."""
        return not self._unsent and not (self.stream and self.stream.machine.in_flight)

    async def _send_all(self) -> None:
        while self._unsent:
            await self._emit(self.sid, *self._unsent[0])
            if self._unsent:  # it may have ended meanwhile
                self._unsent.popleft()
            if len(self._unsent) <= _MOST_UNSENT:
                self._has_room.set()
        self._sender = None
        if self.is_idle:
            self._on_idle(self)

    def close(self) -> None:
        """The connection is gone."""
        self._unsent.clear()
        self._has_room.set()
        if self._sender is not None:
            self._sender.cancel()
        if self.closes is not None:
            self.closes.cancel()
