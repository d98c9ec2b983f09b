"""WebSockets under uvicorn: its handshake, our frames, and a deadline for clients that do not read.

uvicorn's own connection waits without a limit for its last bytes to leave, answers pings of a client that reads no
pongs, keeps a list entry per fragment, and stops reading after each message. Here the close has a deadline, and
unhandled input is bounded over all connections together. The ASGI message of a long text holds a `LongText` instead of
a `str`.
"""

from __future__ import annotations

import asyncio
from random import getrandbits
from sys import getsizeof
from time import perf_counter
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from antiphon.doors.server.exchange import UNKEYED_BYTES
from antiphon.doors.server.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Closing,
    FrameReader,
    LongText,
    Ping,
    Pong,
    close_frame,
    frame,
    frame_head,
)
from antiphon.doors.server.received import Inbox, ReceivedBytes
from antiphon.doors.server.socket import SOCKET

LINGER_S = 5.0
"""Time for the client to read the last output and to complete the close handshake."""
_LOST, _GOING_DOWN, _PING_TIMED_OUT = 1006, 1012, 1011
_PAUSE_BYTES = 64 * 2**10
"""Bytes waiting for the application above which reading pauses."""
_TURN_BYTES = 256 * 2**10
"""Most bytes read from one connection per turn: uvloop reads up to 32 times 64 KiB."""
_MESSAGE_BYTES = 256
"""Weight of a message without its content."""
_TURN_S = 0.002
"""Time for which an application may take waiting messages before it yields to others."""
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_CONTROL, _TEXTS = (Ping, Pong, Closing), (str, LongText)
_LARGE_BYTES = 256 * 2**10
"""Larger messages are written separately from their head, to avoid a copy."""


class BoundedWebSocketConfig(Config):
    """uvicorn's configuration with the additions of `BoundedWebSocketProtocol`."""

    received: ReceivedBytes


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket. The handshake is uvicorn's; frames, flow control and close are ours."""

    config: BoundedWebSocketConfig

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.queue = self._inbox = Inbox()  # pyright: ignore[reportAttributeAccessIssue, reportIncompatibleVariableOverride]  # uvicorn only puts
        self.held_bytes = 0
        """Bytes that `ReceivedBytes` counts for this connection."""
        self._received = self.config.received
        self._max_bytes = config.ws_max_size
        self._reader = FrameReader(UNKEYED_BYTES)  # until the application has accepted
        self._ignores_input = False
        """True once further input is ignored."""
        self._reads_on = False
        """True while reading of buffered frames is scheduled."""
        self._turn_bytes = 0
        """Bytes read in this turn."""
        self._turn_began = 0.0
        """When the application last waited for a message or yielded."""
        self._batch: list[bytes] = []
        self._batch_bytes = 0

    # -- the connection ----------------------------------------------------------------------------------------------
    def handle_connect(self, event: Request) -> None:
        """Start the application, unless the handshake is refused."""
        super().handle_connect(event)
        if not self.handshake_complete:
            cast("dict[str, Any]", self.scope)["extensions"][SOCKET] = self

    def _refuse_head(self) -> None:
        """Refuse a complete head that the library rejects: one with a body, or with too long a line."""
        self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)
        self.transport.close()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop unhandled input. Without a close handshake the code is 1006 (RFC 6455, 7.1.5)."""
        self._ignores_input = True
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": _LOST, "reason": ""})
        super().connection_lost(exc)
        self._reader = FrameReader(0)
        self._count()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application has returned: the connection closes within `LINGER_S`."""
        super().on_task_complete(task)
        self._inbox.clear()
        self._count()
        self._end_soon()

    def shutdown(self) -> None:
        """The server shuts down."""
        self._hang_up(_GOING_DOWN, "", _GOING_DOWN)
        self.transport.close()
        self._end_soon()

    def limit(self, max_bytes: int) -> None:
        """Set the longest message from now on, or from the end of the handshake."""
        self._max_bytes = max_bytes
        if self.handshake_complete:
            self._reader.limit(max_bytes)

    def abort(self) -> None:
        """Close the connection at once, without a close handshake."""
        self.close_sent = True
        self.transport.abort()

    def fail(self, code: int, reason: str) -> None:
        """Close with a code; further input is ignored."""
        self._ignores_input = True
        self._reader = FrameReader(0)
        self._inbox.clear()
        self._count()
        self._hang_up(code, reason, code)
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()  # closing with unread input would reset the connection and lose the code

    def _hang_up(self, code: int, reason: str, told: int) -> None:
        """Write a close frame, report the code ``told`` to the application, and close within `LINGER_S`."""
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": told, "reason": reason})
        if not self.handshake_complete:
            self.send_500_response()
            self.handshake_complete = True  # uvicorn would report an application that returns now
            self.transport.close()
        else:
            self._flush()
            self.transport.write(close_frame(code, reason))
        self.close_sent = True
        self._read_on()
        self._end_soon()

    def _end_soon(self) -> None:
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)

    # -- heartbeats --------------------------------------------------------------------------------------------------
    def send_keepalive_ping(self) -> None:
        """Ping the client."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        self.pending_ping_payload = getrandbits(32).to_bytes(4, "big")
        self.ping_sent_at = self.loop.time()
        self.transport.write(frame(PING, self.pending_ping_payload))
        if self.ping_timeout is None:
            self.schedule_ping()
        else:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

    def keepalive_timeout(self) -> None:
        """No pong arrived: the client is gone, or does not read."""
        self.pong_timer = None
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": _PING_TIMED_OUT, "reason": "no pong came"})
        self.abort()

    # -- input -------------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Read bytes of the handshake or of frames."""
        if not self.handshake_initiated:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_head()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        """Read a limited number of frames; reading pauses while further frames or messages wait."""
        if self._ignores_input:
            return
        self._turn_bytes += len(data)
        reader, inbox = self._reader, self._inbox
        for event in reader.feed(data):
            if isinstance(event, _CONTROL):
                self._control(event)
            elif not self.close_sent:
                key = "text" if isinstance(event, _TEXTS) else "bytes"
                inbox.put_nowait({"type": "websocket.receive", key: event}, _MESSAGE_BYTES + getsizeof(event))
        if reader.failure is not None:
            self.fail(reader.failure.code, reader.failure.reason)
            return
        self._count()
        is_behind = inbox.bytes > _PAUSE_BYTES and not self.close_sent
        if (is_behind or self._is_over_its_turn()) and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        if self.read_paused and not is_behind:
            self._read_on()

    def _count(self) -> None:
        """Count the bytes of unhandled input."""
        self._received.update(self, self._reader.held_bytes + self._inbox.bytes + self._inbox.taken_bytes)

    def _is_over_its_turn(self) -> bool:
        return self._reader.has_more or self._turn_bytes > _TURN_BYTES

    def _read_on(self) -> None:
        """Read the buffered input first, then from the socket."""
        if self._is_over_its_turn():
            if not self._reads_on:
                self._reads_on = True
                self.loop.call_soon(self._take_more)
        elif self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _take_more(self) -> None:
        self._reads_on, self._turn_bytes = False, 0
        self._take(b"")

    def _control(self, event: Ping | Pong | Closing) -> None:
        match event:
            case Ping():
                # no pongs for a client that does not read: they would accumulate
                if self.writable.is_set() and self.handshake_complete and not self.close_sent:
                    self._write_soon(frame(PONG, event.data))
            case Pong():
                self.handle_pong(cast("Any", event))
            case Closing():
                self._peer_closes(event)

    def _peer_closes(self, event: Closing) -> None:
        self._ignores_input = True
        if not self.close_sent:
            self.stop_keepalive()
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": event.code, "reason": event.reason})
            self.close_sent = True
            self._write(CLOSE, event.data)
        self.transport.close()
        self._end_soon()

    async def receive(self) -> Any:
        """Return the next ASGI message, and continue reading when none is left. The previous message is handled."""
        inbox = self._inbox
        inbox.done()
        self._count()
        if not inbox:
            message = await inbox.get()
            self._turn_began = perf_counter()
        else:
            if perf_counter() - self._turn_began > _TURN_S:
                await asyncio.sleep(0)
                self._turn_began = perf_counter()
            message = await inbox.get()
        if self.read_paused and not inbox:
            self._read_on()
        return message

    # -- output ------------------------------------------------------------------------------------------------------
    async def send(self, message: Any) -> None:
        """Send an ASGI message. Raises `ClientDisconnected`, an `OSError`, when the connection is closing."""
        if self.transport.is_closing() or (self.close_sent and self.initial_response is None):
            raise ClientDisconnected
        kind = message["type"]
        if not self.handshake_complete or self.initial_response is not None:
            await super().send(message)
            if kind == "websocket.accept":
                self._reader.limit(self._max_bytes)
            if kind == "websocket.http.response.body" and not message.get("more_body", False):
                self.handshake_complete = True  # a refusal is a complete response; uvicorn would report it as a fault
        elif kind == "websocket.close":
            self._hang_up(message.get("code", 1000), message.get("reason") or "", 1006)
        else:
            text = message.get("text")
            if text is None:
                await self._put(BINARY, message["bytes"])
            else:
                await self._put(TEXT, text.data if isinstance(text, LongText) else text.encode())

    def write(self, text: bytes) -> bool:
        """Write a text message at once and return True, or return False when the client is not ready."""
        if self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        if len(text) > _LARGE_BYTES:
            self._write(TEXT, text)
            return True
        self._write_soon(frame(TEXT, text))
        return True

    def _write_soon(self, data: bytes) -> None:
        """Write a frame together with the others of this turn of the event loop, up to `_PAUSE_BYTES`."""
        if not self._batch:
            self.loop.call_soon(self._flush)
        self._batch.append(data)
        self._batch_bytes += len(data)
        if self._batch_bytes > _PAUSE_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Write the frames of this turn with one system call."""
        if self._batch:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            if not self.transport.is_closing():
                self.transport.write(batch[0] if len(batch) == 1 else b"".join(batch))

    async def send_text(self, text: bytes) -> None:
        """Write a text message as soon as the client reads. Raises `ClientDisconnected` when it has disconnected."""
        if self.transport.is_closing():
            raise ClientDisconnected
        await self._put(TEXT, text)

    async def _put(self, opcode: int, data: bytes | bytearray) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        self._write(opcode, data)

    def _write(self, opcode: int, data: bytes | bytearray) -> None:
        self._flush()
        if len(data) > _LARGE_BYTES:
            self.transport.write(frame_head(opcode, len(data)))
            self.transport.write(data)
        else:
            self.transport.write(frame(opcode, data))
