"""An endpoint of webhooks on a real socket, that follows a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.loopback import listening


@dataclass(frozen=True)
class Reply:
    """Answer with a status."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True)
class Hang:
    """Read the request and never answer."""


@dataclass(frozen=True)
class Endless:
    """Answer with a status, and a body without an end."""

    status: int


@dataclass(frozen=True)
class Stall:
    """Answer with a status, and never send the body that was announced."""

    status: int


@dataclass(frozen=True)
class Raw:
    """Send these bytes, and close."""

    data: bytes


@dataclass(frozen=True)
class Reset:
    """Reset the connection."""


Step = Reply | Hang | Endless | Stall | Raw | Reset


@dataclass
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        """The event that it is about."""
        return str(json.loads(self.body)["id"])


@dataclass
class WebhookServer:
    """What the endpoint has received, and what it is to do next."""

    url: str = ""
    script: list[Step] = field(default_factory=list[Step])
    """The next steps; then it does what is `usual`."""
    usual: Step = field(default_factory=lambda: Reply(204))
    received: list[Received] = field(default_factory=list[Received])
    connections: int = 0
    sent_bytes: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ids(self) -> list[str]:
        """The events that it has received, in order."""
        return [one.event_id for one in self.received]

    async def until(self, count: int) -> None:
        """Wait for so many requests in all."""
        async with asyncio.timeout(30):
            while len(self.received) < count:
                self._news.clear()
                await self._news.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WebhookServer]:
        """Serve on a free port of the loopback address."""
        async with listening(self._serve) as address:
            self.url = f"{address}/hook?token=s3cret"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("ascii").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.received.append(Received(first.split()[1], headers, body))
                self._news.set()
                await self._answer(writer, self.script.pop(0) if self.script else self.usual)

    async def _answer(self, writer: asyncio.StreamWriter, step: Step) -> None:
        match step:
            case Reply():
                self._write(writer, _head(step.status, {**step.headers, "content-length": str(len(step.body))}))
                self._write(writer, step.body)
                await writer.drain()
            case Hang():
                await asyncio.Event().wait()
            case Stall(status=status):
                self._write(writer, _head(status, {"content-length": "10"}))
                await writer.drain()
                await asyncio.Event().wait()
            case Endless(status=status):
                self._write(writer, _head(status, {}))
                while True:
                    self._write(writer, b"x" * 65_536)
                    await writer.drain()
            case Raw(data=data):
                self._write(writer, data)
                await writer.drain()
                raise ConnectionAbortedError
            case Reset():
                transport: Any = writer.transport
                transport.abort()
                raise ConnectionAbortedError

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.sent_bytes += len(data)
        writer.write(data)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
