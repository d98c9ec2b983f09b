"""A scripted chat service that speaks as OpenAI does, over real HTTP on loopback.

    async with OpenAiServer() as server:
        server.script(say("Good morning."), call("get_weather", '{"city": "Porto"}'), refuse(429))
        client = AsyncOpenAI(base_url=server.base_url, api_key="any")

Each request to ``/v1/chat/completions`` plays the next script as a stream; without one it is obeyed: a forced
function is called, an upper bound is kept, else the answer is "Hello. I am scripted." What was asked, and when
clients hung up, is kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from antiphon.text.schema_example import example

Json = dict[str, Any]


@dataclass(frozen=True)
class Pause:
    """Wait before the next step; the client may hang up meanwhile."""

    seconds: float


@dataclass(frozen=True)
class HangUp:
    """Cut the connection in the middle of the answer, without a word."""


@dataclass(frozen=True)
class Raw:
    """Bytes that go out as they are, inside the stream."""

    data: bytes


Step = Json | Pause | HangUp | Raw
"""A dict is the ``choices[0]`` of a chunk, or a whole chunk where it has ``choices`` or ``error``."""


@dataclass(frozen=True)
class Script:
    """One answer: HTTP status, headers, and the steps of its stream."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    usage: Json | None = None
    finished: bool = True
    """False leaves ``[DONE]`` and the usage out."""


USAGE: Json = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 5},
}


def say(text: str, *, pause_s: float = 0.0, first_s: float = 0.0, finish: str = "stop") -> Script:
    """Answer with exactly ``text``, a word a chunk."""
    words = [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))] if text else []
    steps: list[Step] = [Pause(first_s), {"index": 0, "delta": {"role": "assistant", "content": ""}}]
    for word in words:
        steps += [{"index": 0, "delta": {"content": word}}, Pause(pause_s)]
    return Script([*steps, {"index": 0, "delta": {}, "finish_reason": finish}], usage=USAGE)


def call(*calls: str, pieces: int = 3, text: str = "") -> Script:
    """Call functions: name and arguments in turn. ``text`` comes before."""
    steps: list[Step] = [{"index": 0, "delta": {"content": text}}] if text else []
    for index in range(0, len(calls), 2):
        name, arguments = calls[index], calls[index + 1]
        size = max(1, len(arguments) // pieces)
        at = index // 2
        steps.append(_call_step(at, {"name": name, "arguments": ""}, call_id=f"call_{at}"))
        cuts = range(0, len(arguments), size)
        steps += [_call_step(at, {"arguments": arguments[cut : cut + size]}) for cut in cuts]
    return Script([*steps, {"index": 0, "delta": {}, "finish_reason": "tool_calls"}], usage=USAGE)


def refuse(status: int, *, code: str = "some_code", message: str = "no", **headers: str) -> Script:
    """Answer with an HTTP error and OpenAI's error JSON."""
    body = json.dumps({"error": {"message": message, "type": "some_type", "code": code, "param": None}}).encode()
    return Script(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def obey(asked: Json) -> Script:
    """Do what the request asks, as little as possible."""
    choice = asked.get("tool_choice", "auto")
    if asked.get("tools") and choice not in ("auto", "none"):
        wanted = choice["function"]["name"] if isinstance(choice, dict) else asked["tools"][0]["function"]["name"]
        tool = next(tool["function"] for tool in asked["tools"] if tool["function"]["name"] == wanted)
        return call(wanted, json.dumps(example(tool["parameters"])))
    words = ["Hello.", "I", "am", "scripted."]
    most = asked.get("max_tokens") or asked.get("max_completion_tokens") or len(words)
    return say(" ".join(words[:most]), finish="stop" if most >= len(words) else "length")


def _call_step(index: int, function: Json, call_id: str | None = None) -> Json:
    part: Json = {"index": index, "function": function}
    if call_id:
        part |= {"id": call_id, "type": "function"}
    return {"index": 0, "delta": {"tool_calls": [part]}}


class _HangUpError(Exception):
    """The client went away before the answer was over."""


class OpenAiServer:
    """The service. Bodies of all requests are in ``requests``; ``hangups`` has when clients left an answer early."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.hangups: list[float] = []
        self.open = 0
        self.most_open = 0
        self._scripts: deque[Script] = deque()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/v1"

    def script(self, *scripts: Script) -> None:
        """Put answers behind the ones that wait."""
        self._scripts.extend(scripts)

    async def hung_up(self, within_s: float = 1.0) -> float:
        """Wait until a client has left early, and return when (monotonic seconds)."""
        async with asyncio.timeout(within_s):
            while not self.hangups:
                await asyncio.sleep(0.001)
        return self.hangups[-1]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while (asked := await _read_request(reader)) is not None:
                    await self._answer(_Answer(reader, writer), *asked)
        except _HangUpError:
            self.hangups.append(time.monotonic())
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, answer: _Answer, path: str, headers: dict[str, str], body: bytes) -> None:
        if not path.endswith("/chat/completions"):
            await answer.whole(404, {}, b'{"error": {"message": "no such page"}}')
            return
        asked: Json = json.loads(body)
        self.requests.append(asked)
        self.headers.append(headers)
        script = self._scripts.popleft() if self._scripts else obey(asked)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if script.body is not None:
                await answer.whole(script.status, script.headers, script.body)
            else:
                await answer.stream(script, with_usage=(asked.get("stream_options") or {}).get("include_usage"))
        finally:
            self.open -= 1


class _Answer:
    """One HTTP answer on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._head(status, {"content-type": "application/json", "content-length": str(len(body)), **headers})
        self._writer.write(body)
        await self._writer.drain()

    async def stream(self, script: Script, *, with_usage: bool) -> None:
        self._head(
            script.status,
            {"content-type": "text/event-stream", "transfer-encoding": "chunked", **script.headers},
        )
        for step in script.steps:
            match step:
                case Pause(seconds):
                    await self._rest(seconds)
                case HangUp():
                    self._writer.transport.abort()
                    raise ConnectionAbortedError
                case Raw(data):
                    await self._piece(data)
                case _:
                    await self._event(step if {"choices", "error"} & step.keys() else _chunk(step))
        if script.finished:
            if with_usage and script.usage:
                await self._event({**_chunk(), "usage": script.usage})
            await self._piece(b"data: [DONE]\n\n")
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def _event(self, chunk: Json) -> None:
        await self._piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    async def _piece(self, data: bytes) -> None:
        if self._reader.at_eof():
            raise _HangUpError
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise _HangUpError from exc

    async def _rest(self, seconds: float) -> None:
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

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} scripted", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())


def _chunk(choice: Json | None = None) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [choice] if choice else [],
    }


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
