"""HTTP with server-sent events on loopback: what the scripted chat services have in common.

Each request plays the next script as a stream; without one it is obeyed. What was asked, and when clients hung
up, is kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from tests.fakes.loopback import listening

Json = dict[str, Any]


@dataclass(frozen=True)
class Pause:
    """Wait before the next step; the client may hang up meanwhile."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Wait for an event before the next step."""

    until: asyncio.Event


@dataclass(frozen=True)
class HangUp:
    """Cut the connection in the middle of the answer, without a word."""


@dataclass(frozen=True)
class Raw:
    """Bytes that go out as they are, inside the stream."""

    data: bytes


Step = Json | Pause | Hold | HangUp | Raw
"""A dict is an event in the service's own form."""


@dataclass(frozen=True)
class Script:
    """One answer: HTTP status, headers, and the steps of its stream, or a body that goes out whole."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def refusal(status: int, error: Json, headers: dict[str, str]) -> Script:
    """Answer with an HTTP error; an underscore in the name of a header stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Script(status=status, body=json.dumps(error).encode(), headers=named)


class SseServer(ABC):
    """A service. Bodies of all requests are in ``requests``; ``hangups`` has when clients left an answer early."""

    page: ClassVar[str]
    """How the path of its only page ends."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.hangups: list[float] = []
        self.open = 0
        self.most_open = 0
        self._scripts: deque[Script] = deque()
        self._address = ""
        self._open = AsyncExitStack()

    @abstractmethod
    def obey(self, asked: Json, headers: dict[str, str]) -> Script:
        """Do what a request asks, as little as possible."""

    @abstractmethod
    def encode(self, event: Json) -> bytes:
        """Return an event as it goes over the wire."""

    def ending(self, script: Script, asked: Json) -> Iterator[bytes]:
        """Yield what comes behind the steps of a script."""
        yield from ()

    @property
    def base_url(self) -> str:
        return self._address

    def script(self, *scripts: Script) -> None:
        """Put answers behind the ones that wait."""
        self._scripts.extend(scripts)

    async def hung_up(self, within_s: float = 10.0) -> float:
        """Wait until a client has left early, and return when (monotonic seconds)."""
        async with asyncio.timeout(within_s):
            while not self.hangups:
                await asyncio.sleep(0.001)
        return self.hangups[-1]

    async def asked(self, answers: int = 1, within_s: float = 10.0) -> None:
        """Wait until so many answers are open at a time."""
        async with asyncio.timeout(within_s):
            while self.open < answers:
                await asyncio.sleep(0.001)

    async def __aenter__(self) -> Self:
        self._address = await self._open.enter_async_context(listening(self._serve))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while (asked := await _read_request(reader)) is not None:
                    await self._answer(_Answer(reader, writer), *asked)
        except _HangUpError:
            self.hangups.append(time.monotonic())

    async def _answer(self, answer: _Answer, path: str, headers: dict[str, str], body: bytes) -> None:
        if not path.endswith(self.page):
            await answer.whole(404, {}, b'{"error": {"message": "no such page"}}')
            return
        asked: Json = json.loads(body)
        self.requests.append(asked)
        self.headers.append(headers)
        script = self._scripts.popleft() if self._scripts else self.obey(asked, headers)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if script.body is not None:
                await answer.whole(script.status, script.headers, script.body)
            else:
                await self._stream(answer, script, asked)
        finally:
            self.open -= 1

    async def _stream(self, answer: _Answer, script: Script, asked: Json) -> None:
        answer.begin(script.status, script.headers)
        for step in script.steps:
            match step:
                case Pause(seconds):
                    await answer.rest(seconds)
                case Hold(until):
                    await until.wait()
                case HangUp():
                    answer.hang_up()
                case Raw(data):
                    await answer.piece(data)
                case _:
                    await answer.piece(self.encode(step))
        for data in self.ending(script, asked):
            await answer.piece(data)
        await answer.end()


class _HangUpError(Exception):
    """The client went away before the answer was over."""


class _Answer:
    """One HTTP answer on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._head(status, {"content-type": "application/json", "content-length": str(len(body)), **headers})
        self._writer.write(body)
        await self._writer.drain()

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self._head(status, {"content-type": "text/event-stream", "transfer-encoding": "chunked", **headers})

    async def piece(self, data: bytes) -> None:
        if self._reader.at_eof():
            raise _HangUpError
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise _HangUpError from exc

    async def rest(self, seconds: float) -> None:
        """Wait, and hear at once when the client hangs up; no client sends its next request before the answer."""
        if not seconds:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                try:
                    await self._reader.read(1)
                except ConnectionError as exc:
                    raise _HangUpError from exc
                raise _HangUpError

    def hang_up(self) -> None:
        self._writer.transport.abort()
        raise ConnectionAbortedError

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} scripted", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    """Return path, headers and body of the next request, or None at the end of the connection."""
    first = await reader.readline()
    if not first:
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split()[1].decode(), headers, body
