"""A service with DeepL's API, version 2, on a real socket, that follows a script.

Without a script it translates by putting ``[<target_lang>] `` before the text, takes one key, and knows a few
languages. Requests are read as the official client sends them: JSON to translate, a form to ask for languages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.loopback import listening

KEY = "8c6de4b5-0000-4000-8000-antiphontest:fx"
SOURCES = ("EN", "ES", "NB", "PT")
TARGETS = ("EN-GB", "EN-US", "ES", "ES-419", "NB", "PT-BR", "PT-PT")


@dataclass(frozen=True)
class Refuse:
    """Answer with a status, and a body as the service writes it unless another is given."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "no"
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """Answer 200 with these bytes."""

    body: bytes


@dataclass(frozen=True)
class Hang:
    """Read the request and never answer."""


@dataclass(frozen=True)
class BreakOff:
    """Close the connection in the middle of an answer."""


Step = Refuse | Answer | Hang | BreakOff


@dataclass
class DeepLServer:
    """What the service was asked, and what it is to do next."""

    url: str = ""
    script: list[Step] = field(default_factory=list[Step])
    """The next steps; when it is used up, requests are obeyed."""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Bodies of all requests to translate."""
    agents: list[str] = field(default_factory=list[str])
    """``User-Agent`` of all requests."""
    hold: int = 1
    """So many requests to translate must be there before any is answered."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each request to translate."""
    _together: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[DeepLServer]:
        """Serve on a free port of the loopback address."""
        async with listening(self._serve) as address:
            self.url = address
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("ascii").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                await self._answer(writer, first.split()[1], headers, body)

    async def _answer(self, writer: asyncio.StreamWriter, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.agents.append(headers["user-agent"])
        is_translate = path == "/v2/translate"
        if is_translate:
            self.requests.append(json.loads(body))
            self.asked.set()
            if len(self.requests) >= self.hold:
                self._together.set()
            await self._together.wait()
        step = self.script.pop(0) if self.script else self._obey(path, headers, body)
        match step:
            case Hang():
                await asyncio.Event().wait()
            case BreakOff():
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
                raise ConnectionAbortedError
            case Answer(body=told):
                _write(writer, 200, {}, told)
            case Refuse():
                told = json.dumps({"message": step.message}).encode() if step.body is None else step.body
                _write(writer, step.status, step.headers, told)
        await writer.drain()

    def _obey(self, path: str, headers: Mapping[str, str], body: bytes) -> Step:
        if headers.get("authorization") != f"DeepL-Auth-Key {KEY}":
            return Refuse(403, message="Authorization failed. Please supply a valid authentication key.")
        if path == "/v2/translate":
            return _translate(json.loads(body))
        if path == "/v2/languages":
            kind = parse_qs(body.decode("ascii")).get("type", ["source"])
            codes = TARGETS if kind == ["target"] else SOURCES
            listed = [{"language": code, "name": code.title(), "supports_formality": False} for code in codes]
            return Answer(json.dumps(listed).encode())
        return Refuse(404, message="no such page")


def _translate(asked: Mapping[str, Any]) -> Step:
    target, source = asked["target_lang"], asked.get("source_lang", "EN")
    if target not in TARGETS:
        return Refuse(400, message="Value for 'target_lang' not supported.")
    if source not in SOURCES:
        return Refuse(400, message="Value for 'source_lang' not supported.")
    done = [
        {"detected_source_language": source, "text": f"[{target}] {text}", "billed_characters": len(text)}
        for text in asked["text"]
    ]
    return Answer(json.dumps({"translations": done}, ensure_ascii=False).encode())


def _write(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str], body: bytes) -> None:
    lines = [
        f"HTTP/1.1 {status} scripted",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
