"""A service with OpenAI's ``/audio/speech``, on a real socket, that follows a script.

Without a script every request is spoken as a tone: 0.3 s a word at 24 kHz, faster or slower as asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from tests.fakes.loopback import listening

RATE_HZ = 24_000


@dataclass(frozen=True)
class Refuse:
    """Answer with an error as the service writes it."""

    status: int
    code: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


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

    prefix: ClassVar[str] = "/v1"
    base_url: str = ""
    script: list[Refuse | BreakOff | Stall] = field(default_factory=list)
    """The next steps; when it is used up, requests are spoken."""
    piece_bytes: int = 4_801
    """Size of a chunk; odd, so that samples are cut in half."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    broken_off_by_client: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has closed its connection in the middle of an answer."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve on a free port of the loopback address."""
        async with listening(self._serve) as address:
            self.base_url = f"{address}{self.prefix}"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except ConnectionError:
            self.broken_off_by_client += 1
            self.hung_up.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False closes the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        request = self._read(head, json.loads(await reader.readexactly(length)))
        self.requests.append(request)
        step = self._objection(head, request) or (self.script.pop(0) if self.script else None)
        if isinstance(step, Refuse):
            body = json.dumps(self._refusal(step)).encode()
            headers = "".join(f"{name}: {value}\r\n" for name, value in step.headers.items())
            writer.write(_head(step.status, step.content_type, f"{headers}content-length: {len(body)}") + body)
            await writer.drain()
            return True
        writer.write(_head(200, "audio/pcm", "transfer-encoding: chunked"))
        sound = tone(*self._wanted(request))
        await self._send(writer, sound[: step.after_bytes if step else None])
        if isinstance(step, Stall):
            await reader.read()  # until the client has had enough
            raise ConnectionResetError
        if step is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return step is None

    def _read(self, head: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked for."""
        assert head.startswith("POST /v1/audio/speech ")
        return body

    def _objection(self, head: str, request: dict[str, Any]) -> Refuse | None:
        """Return why the service refuses the request on its own, if it does."""
        del head, request

    def _refusal(self, step: Refuse) -> dict[str, Any]:
        """Return the body of a refusal."""
        return {"error": {"message": "as scripted", "type": "x", "code": step.code}}

    def _wanted(self, request: dict[str, Any]) -> tuple[str, float]:
        """Return the text of a request and its speed."""
        return request["input"], request.get("speed", 1.0)

    async def _send(self, writer: asyncio.StreamWriter, sound: bytes) -> None:
        for start in range(0, len(sound), self.piece_bytes):
            piece = sound[start : start + self.piece_bytes]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()


def _head(status: int, content_type: str, length: str) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n{length}\r\n\r\n".encode()


def tone(text: str, speed: float) -> bytes:
    """Return 0.3 s of s16le tone a word."""
    samples = round(len(text.split()) * 0.3 * RATE_HZ / speed)
    return (np.sin(np.arange(samples) * (880 * np.pi / RATE_HZ)) * 6_000).astype("<i2").tobytes()
