"""The first bytes of a connection: a request head must come in time, and only so many may be unfinished.

uvicorn waits for ever for the rest of a half-sent head, and for the rest of a body that was answered before it was
complete. Here such a connection is closed after a time-out, and when there are too many of them the oldest goes, so
that whoever speaks HTTP properly always gets in.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from antiphon.doors.sockets import SocketConfig

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Evictable(Protocol):
    """Somebody who can be shown the door."""

    def evict(self) -> None:
        """Leave at once."""
        ...


class Handshakes:
    """Connections that keep us waiting for no work of ours, oldest first, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Evictable, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, connection: Evictable) -> None:
        """Count ``connection``; when that is one too many, the oldest is evicted."""
        self._waiting[connection] = None
        if len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.evict()

    def end(self, connection: Evictable) -> None:
        """Stop counting ``connection``, counted or not."""
        self._waiting.pop(connection, None)


class GuardedConfig(SocketConfig):
    """uvicorn's configuration and what `GuardedHttp` needs beside it."""

    handshakes: Handshakes
    handshake_timeout_s: float


class GuardedHttp(H11Protocol):
    """uvicorn's HTTP/1.1 connection that does not wait for ever for a request head."""

    config: GuardedConfig

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn narrows it
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Work on what has arrived."""
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        """Take note that the answer is out, maybe before the whole request was in."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over; its head is complete."""
        self._end()
        self._handed_over = True
        super().handle_websocket_upgrade(event)

    def evict(self) -> None:
        """Close without a word: there are too many of this kind."""
        self._end()
        self.transport.abort()

    def _watch(self) -> None:
        """Start or stop the clock: does the client owe us something that nobody works on?"""
        if self._handed_over:
            return
        if not self._is_owed():
            self._end()
            self._keep()
        elif self._deadline is None and not self.transport.is_closing():
            self._begin()

    def _is_owed(self) -> bool:
        theirs, cycle = self.conn.their_state, self._cycle()
        if theirs is h11.IDLE:
            return cycle is None or bool(self.conn.trailing_data[0])
        return theirs is h11.SEND_BODY and cycle is not None and cycle.response_complete

    def _cycle(self) -> RequestResponseCycle | None:
        """Return the newest request; uvicorn declares it as always there, but a new connection has none."""
        return self.cycle

    def _keep(self) -> None:
        """Wait for the next request as long as uvicorn would; it forgets to when a body ends behind its answer."""
        idle = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        if idle and not self.transport.is_closing():
            delay_s = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(delay_s, self.timeout_keep_alive_handler)

    def _begin(self) -> None:
        self._deadline = self.loop.call_later(self.config.handshake_timeout_s, self._time_out)
        self.config.handshakes.begin(self)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self.config.handshakes.end(self)

    def _time_out(self) -> None:
        self._end()
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self.transport.write(_TIMED_OUT)
        self.transport.close()
