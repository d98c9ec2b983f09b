"""A service with OpenAI's ``/audio/speech``, on a real socket, that follows a script.

Without a script every request is spoken as a tone: 0.3 s a word at 24 kHz, faster or slower as asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

RATE_HZ = 24_000


@dataclass(frozen=True)
class Refuse:
    """Answer with an error as OpenAI writes it."""

    status: int
    code: str | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class BreakOff:
    """Send that many bytes of sound, then close the connection in the middle of the answer."""

    after_bytes: int


@dataclass(frozen=True)
class Stall:
    """Send that many bytes of sound, then nothing for ever."""

    after_bytes: int = 0


@dataclass
class OpenAiTtsServer:
    """What the service was asked, and what it is to do next."""

    base_url: str = ""
    script: list[Refuse | BreakOff | Stall] = field(default_factory=list)
    """The next steps; when it is used up, requests are spoken."""
    piece_bytes: int = 4_801
    """Size of a chunk; odd, so that samples are cut in half."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    broken_off_by_client: int = 0
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OpenAiTtsServer]:
        """Serve on a free port of the loopback address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.base_url = f"http://{host}:{port}/v1"
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        except ConnectionError:
            self.broken_off_by_client += 1
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False closes the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("POST /v1/audio/speech ")
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        request = json.loads(await reader.readexactly(length))
        self.requests.append(request)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Refuse):
            body = json.dumps({"error": {"message": "as scripted", "type": "x", "code": step.code}}).encode()
            writer.write(_head(step.status, step.content_type, f"content-length: {len(body)}") + body)
            await writer.drain()
            return True
        writer.write(_head(200, "audio/pcm", "transfer-encoding: chunked"))
        sound = _tone(request)
        await self._send(writer, sound[: step.after_bytes if step else None])
        if isinstance(step, Stall):
            await reader.read()  # until the client has had enough
            raise ConnectionResetError
        if step is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return step is None

    async def _send(self, writer: asyncio.StreamWriter, sound: bytes) -> None:
        for start in range(0, len(sound), self.piece_bytes):
            piece = sound[start : start + self.piece_bytes]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()


def _head(status: int, content_type: str, length: str) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n{length}\r\n\r\n".encode()


def _tone(request: dict[str, Any]) -> bytes:
    samples = round(len(request["input"].split()) * 0.3 * RATE_HZ / request.get("speed", 1.0))
    return (np.sin(np.arange(samples) * (880 * np.pi / RATE_HZ)) * 6_000).astype("<i2").tobytes()
