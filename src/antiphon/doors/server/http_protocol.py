"""HTTP connections with bounds on what an unauthenticated client can hold.

uvicorn waits without a limit for the rest of a head, for a body that is unauthenticated or already answered, and for a
client that does not read. Here such a connection is closed after a timeout; when there are too many of them the oldest
is closed, so that proper clients always get a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.server.exchange import UNKEYED_BYTES, Exchange, extensions_of
from antiphon.doors.server.request_parser import RequestParser
from antiphon.doors.server.websocket_protocol import BAD_REQUEST, BoundedWebSocketConfig

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Evictable(Protocol):
    """A connection that can be closed to make room."""

    def evict(self) -> None:
        """Close at once."""
        ...


class Handshakes:
    """Connections that wait for their client, oldest first, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Evictable, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, connection: Evictable) -> None:
        """Count ``connection``; above the limit the oldest is evicted."""
        self._waiting[connection] = None
        if len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.evict()

    def end(self, connection: Evictable) -> None:
        """Stop counting ``connection``, if it is counted."""
        self._waiting.pop(connection, None)


class BoundedHttpConfig(BoundedWebSocketConfig):
    """uvicorn's configuration with the additions of `BoundedHttpProtocol`."""

    handshakes: Handshakes
    idle: Handshakes
    """Connections between two requests whose last request was not authenticated."""
    handshake_timeout_s: float


class _Flow(FlowControl):
    """uvicorn's flow control; resuming first parses input that was read and not parsed."""

    def __init__(self, transport: asyncio.Transport, parse: Callable[[], None]) -> None:
        super().__init__(transport)
        self._parse = parse
        self.is_behind = False

    def resume_reading(self) -> None:
        if self.is_behind:
            self._parse()
        else:
            super().resume_reading()


class BoundedHttpProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, with a deadline whenever it waits for an unauthenticated client."""

    config: BoundedHttpConfig
    conn: RequestParser

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.conn = RequestParser()
        self.held_bytes = 0
        """Bytes that `ReceivedBytes` counts for this connection."""
        self._application = self.app
        self.app = self._serve
        self._admitted: RequestResponseCycle | None = None
        """The newest authenticated request."""
        self._parsing: asyncio.Handle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._handed_over = False

    # -- what uvicorn calls ------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn narrows it
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport, self._parse_soon)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self.config.idle.end(self)
        super().connection_lost(exc)
        self.hold(0)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.config.idle.end(self)
        super().data_received(data)

    def handle_events(self) -> None:
        """Parse input, for at most one turn of the loop."""
        if self.transport.is_closing() or self._handed_over:
            return
        self._parsing = None
        self.conn.begin_turn()
        super().handle_events()
        self._pace()
        self._watch()

    def on_response_complete(self) -> None:
        """The response is complete, the request possibly not."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without a further request."""
        super().timeout_keep_alive_handler()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse malformed HTTP, unless a response has begun, and disconnect the application."""
        del msg
        if (cycle := self._cycle()) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(BAD_REQUEST)
        self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection to the WebSocket protocol; its head is complete."""
        self._end()
        self._handed_over = True
        super().handle_websocket_upgrade(event)

    # -- what an exchange calls --------------------------------------------------------------------------------------
    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request."""
        exchange = Exchange(self, receive, send)
        scope["extensions"] = extensions_of(exchange)
        await self._application(scope, receive, exchange.send)

    def admit(self) -> None:
        """Count the request as authenticated."""
        self._admitted = self._cycle()
        self._watch()

    def hold(self, held_bytes: int) -> None:
        """Count the bytes that an application holds of a body."""
        self.config.received.update(self, held_bytes)

    def fail(self, code: int, reason: str) -> None:
        """Close: `ReceivedBytes` has no room for the body."""
        del code, reason  # for WebSockets only
        self.hold(0)
        self.evict()

    def evict(self) -> None:
        """Close at once, without a response, to make room."""
        self._end()
        self.transport.abort()

    @property
    def is_too_much_to_read(self) -> bool:
        """True when the rest of an unauthenticated body may be larger than `UNKEYED_BYTES`."""
        if self._is_admitted() or self.conn.their_state is not h11.SEND_BODY:
            return False
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        return self.conn.they_are_waiting_for_100_continue or not lengths or lengths[0] > UNKEYED_BYTES

    # -- deadlines and flow ------------------------------------------------------------------------------------------
    def _pace(self) -> None:
        """Continue in the next turn or, with enough of a body buffered, when the application reads."""
        cycle, most = self._cycle(), HIGH_WATER_LIMIT if self._is_admitted() else UNKEYED_BYTES
        is_enough = cycle is not None and not cycle.response_complete and len(cycle.body) > most
        was_behind, self._flow.is_behind = self._flow.is_behind, self.conn.is_behind
        if is_enough or self.conn.is_behind:
            self.flow.pause_reading()
        if not is_enough and (self.conn.is_behind or (was_behind and not self.conn.has_rest)):
            self.flow.resume_reading()

    def _parse_soon(self) -> None:
        if self._parsing is None:
            self._parsing = self.loop.call_soon(self.handle_events)

    def _watch(self) -> None:
        """Start or stop the deadline, depending on whether the connection waits for its client."""
        if self._handed_over:
            return
        if not self._waits_for_client():
            self._end()
            self._keep()
        elif self._deadline is None:
            self._begin()

    def _waits_for_client(self) -> bool:
        theirs, cycle = self.conn.their_state, self._cycle()
        if not self._is_admitted() and (self.transport.is_closing() or self.flow.write_paused):
            return True  # unread output keeps a connection open without a limit, even a closing one
        if theirs is h11.IDLE:
            return cycle is None or self.conn.has_rest
        return theirs is h11.SEND_BODY and cycle is not None and (cycle.response_complete or not self._is_admitted())

    def _is_admitted(self) -> bool:
        return self._admitted is not None and self._admitted is self._cycle()

    def _cycle(self) -> RequestResponseCycle | None:
        """Return the newest request, None on a new connection although uvicorn declares it as present."""
        return self.cycle

    def _keep(self) -> None:
        """Start uvicorn's keep-alive timeout, which it does not start when a body ends after its response."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            return
        if not self._is_admitted():
            self.config.idle.begin(self)
        if self.timeout_keep_alive_task is None:
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
            self.transport.abort()
            return
        cycle = self._cycle()
        is_unanswered = cycle is not None and not cycle.response_started
        if is_unanswered or (self.conn.their_state is h11.IDLE and self.conn.has_rest):
            self.transport.write(_TIMED_OUT)
        self.transport.close()
        self._watch()
