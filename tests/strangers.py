"""What somebody without a key sends, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

POLL = "/socket.io/?EIO=4&transport=polling"
UPGRADE = (
    "upgrade: websocket",
    "connection: upgrade",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)
"""Headers of a WebSocket handshake."""


class Stranger:
    """A connection spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes, as far as they are taken; the server may have ended the connection."""
        if not self._writer.is_closing():
            with contextlib.suppress(OSError):
                self._writer.write(data)
                await self._writer.drain()

    async def answer(self, within_s: float = 10) -> tuple[int, bytes]:
        """Return the status and the body of the next answer; status 0 when the connection has ended instead."""
        async with asyncio.timeout(within_s):
            try:
                head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
                if b"transfer-encoding: chunked" in head:
                    size = int(await self.reader.readline(), 16)
                    body = await self.reader.readexactly(size)
                    await self.reader.readexactly(7)
                else:
                    size = head.partition(b"content-length:")[2].split(b"\r\n")[0]
                    body = await self.reader.readexactly(int(size or 0))
            except (asyncio.IncompleteReadError, OSError):
                return 0, b""
        return int(head.split()[1]), body

    async def ended(self, within_s: float = 10) -> None:
        """Return when the server has ended the connection."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(OSError):
                while await self.reader.read(65_536):
                    pass

    def read_nothing(self) -> None:
        """Leave what the server sends where it is."""
        self._writer.transport.pause_reading()  # a stream's can

    def close(self) -> None:
        """Leave without a word."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def stranger(port: int) -> AsyncIterator[Stranger]:
    """Open a connection."""
    one = Stranger(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield one
    finally:
        one.close()


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A request; its ``headers`` say how long the body is."""
    lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def opened(one: Stranger) -> str:
    """Open a session of Engine.IO, and return its id."""
    await one.send(request("GET", POLL))
    status, body = await one.answer()
    assert status == 200, body
    return json.loads(body[1:])["sid"]


def chunk(data: bytes) -> bytes:
    """A piece of a body whose length nobody knows."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame(payload: bytes, opcode: int = 0x81, size: int | None = None) -> bytes:
    """A masked frame whose mask is zero, which may claim another size."""
    size = len(payload) if size is None else size
    if size < 126:
        head = bytes([opcode, 0x80 | size])
    elif size < 2**16:
        head = bytes([opcode, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([opcode, 0xFF]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload
