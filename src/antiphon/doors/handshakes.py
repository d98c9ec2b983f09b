"""The first bytes of a connection: a request head must come in time, and only so many may be unfinished.

uvicorn waits for ever for the rest of a half-sent head. Here such a connection is closed after a time-out,
and when there are too many of them the oldest goes, so that whoever speaks HTTP properly always gets in.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Evictable(Protocol):
    """Somebody who can be shown the door."""

    def evict(self) -> None:
        """Leave at once."""
        ...


class Handshakes:
    """Connections whose request head is not complete, oldest first, at most ``limit`` of them."""

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


class GuardedConfig(Config):
    """uvicorn's configuration and what `GuardedHttp` needs beside it."""

    handshakes: Handshakes
    handshake_timeout_s: float


class GuardedHttp(H11Protocol):
    """uvicorn's HTTP/1.1 connection that does not wait for ever for a request head."""

    config: GuardedConfig

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn narrows it
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Work on what has arrived; afterwards, is a head under way?"""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._deadline is None and self.conn.trailing_data[0]:
            self._begin()  # the next request of a kept connection has begun

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over; its head is complete."""
        self._end()
        super().handle_websocket_upgrade(event)

    def evict(self) -> None:
        """Close without a word: there are too many of this kind."""
        self._end()
        self.transport.abort()

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
        if self.conn.trailing_data[0]:
            self.transport.write(_TIMED_OUT)
        self.transport.close()
