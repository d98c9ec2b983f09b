"""One Socket.IO connection of the dubbing door, with its ordered send queue."""

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
"""While more events are unsent, no further fragments are read from the client."""


class DubbingConnection:
    """A connection with at most one stream."""

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
        """``emit`` returns when the event is written to the transport; ``hang_up`` ends the connection."""
        self.sid = sid
        self.transport = transport
        """The Engine.IO transport underneath."""
        self.identity = identity
        self.stream: StreamDriver | None = None
        """Its stream, from `StreamRegistry.attach` to `StreamRegistry.detach`."""
        self.closes: asyncio.TimerHandle | None = None
        """Closes the connection when it has been idle for too long, or after its stream is complete."""
        self._emit = emit
        self._unsent: deque[tuple[str, Struct]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._on_complete = on_complete
        self._on_idle = on_idle
        self._hang_up = hang_up

    def send(self, name: str, payload: Struct) -> None:
        """Queue an event."""
        self._unsent.append((name, payload))
        if len(self._unsent) > _MOST_UNSENT:
            self._has_room.clear()
        if self._sender is None:
            self._sender = unattended(self._send_all(), name=f"dubbing sender {self.sid}")

    def complete(self) -> None:
        """Report that the stream is complete."""
        self._on_complete(self)

    def displaced(self) -> None:
        """Hang up: another connection or gateway has resumed the stream."""
        self.stream = None
        self._hang_up(self.sid)

    async def room(self) -> None:
        """Wait until few enough events are unsent."""
        await self._has_room.wait()

    @property
    def is_idle(self) -> bool:
        """True when no event is unsent and no fragment is in flight."""
        return not self._unsent and not (self.stream and self.stream.machine.in_flight)

    async def _send_all(self) -> None:
        while self._unsent:
            await self._emit(self.sid, *self._unsent[0])
            if self._unsent:  # the connection may have closed meanwhile
                self._unsent.popleft()
            if len(self._unsent) <= _MOST_UNSENT:
                self._has_room.set()
        self._sender = None
        if self.is_idle:
            self._on_idle(self)

    def close(self) -> None:
        """Clean up after the connection was closed."""
        self._unsent.clear()
        self._has_room.set()
        if self._sender is not None:
            self._sender.cancel()
        if self.closes is not None:
            self.closes.cancel()
