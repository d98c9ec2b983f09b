"""A WebSocket client as cheap as Python allows, so that its own cost is not taken for the server's.

Frames are made once and sent many times: their mask is zero, which RFC 6455 allows and which spares the client the
masking; a server cannot tell and unmasks all the same. What comes in is told apart by its first bytes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable

import msgspec

OnText = Callable[[bytes], None]

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
DELTA = b'{"type":"response.output_audio.delta"'
"""How the hot event begins."""


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 2**16:
        head = struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    return head + bytes(4) + payload


def event(kind: str, **fields: object) -> bytes:
    """Return a client event as a frame."""
    return frame(msgspec.json.encode({"type": kind, **fields}))


def append(pcm: bytes) -> bytes:
    """Return audio as a frame."""
    return event("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())


def configure(**session: object) -> bytes:
    """Return a ``session.update`` as a frame."""
    return event("session.update", session={"type": "realtime", **session})


class Socket(asyncio.Protocol):
    """One connection; every text message goes to ``on_text``, pings are answered."""

    def __init__(self, on_text: OnText) -> None:
        self.on_text = on_text
        self.is_closed = False
        self._buffer = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, path: str, on_text: OnText) -> Socket:
        """Open a connection. Raises `ConnectionError` when the server refuses."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(on_text), "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
        )
        socket.send(head.encode())
        await socket._opened  # noqa: SLF001 -- its own class
        return socket

    def send(self, data: bytes) -> None:
        """Send a frame."""
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.abort()

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("the server has hung up"))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        at = 0 if self._opened.done() else self._head(data)
        size = len(data)
        while at >= 0 and size - at >= 2:
            length, body = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, body = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, body = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size < body + length:
                break
            self._message(data[at] & 15, data[body : body + length])
            at = body + length
        self._buffer = data[max(at, 0) :]

    def _head(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return -1
        if data.startswith(b"HTTP/1.1 101"):
            self._opened.set_result(None)
        else:
            self._opened.set_exception(ConnectionError(data[:200].decode("latin-1")))
        return end + 4

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.on_text(payload)
        elif opcode == PING:
            self.send(frame(payload, PONG))
        elif opcode == CLOSE:
            self.is_closed = True


async def paced(tick: Callable[[int], None], seconds: float, *, each_s: float = 0.02, slots: int = 1) -> None:
    """Call ``tick(slot)`` for every slot once in ``each_s``, evenly spread, for so long; late calls are caught up."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    number, total = 0, int(seconds / each_s) * slots
    while number < total:
        due = int((loop.time() - start) * slots / each_s) + 1
        while number < min(due, total):
            tick(number % slots)
            number += 1
        await asyncio.sleep(max(0.0005, start + number * each_s / slots - loop.time()))
