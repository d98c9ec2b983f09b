"""A service with OpenAI's ``/audio/transcriptions`` and ``/audio/translations``, on a real socket, by script.

Without a script it hears "hello from the service" in every WAV file it is sent.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from antiphon.audio.wav import read_wav
from tests.fakes.loopback import listening

TEXT = "hello from the service"


@dataclass(frozen=True)
class Refuse:
    """Answer with an error as OpenAI writes it."""

    status: int
    code: str | None = None


@dataclass(frozen=True)
class Answer:
    """Answer 200 with these bytes."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Stall:
    """Read the request and never answer, or not for so long."""

    seconds: float = 3_600.0


@dataclass(frozen=True)
class BreakOff:
    """Close the connection without an answer."""


@dataclass(frozen=True)
class Request:
    """What the service was asked."""

    path: str
    fields: dict[str, list[str]]
    wav: bytes


@dataclass
class OpenAiSttServer:
    """What the service was asked, and what it is to do next."""

    base_url: str = ""
    script: list[Refuse | Answer | Stall | BreakOff] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    broken_off_by_client: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OpenAiSttServer]:
        """Serve on a free port of the loopback address."""
        async with listening(self._serve) as address:
            self.base_url = f"{address}/v1"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except ConnectionError:
            self.broken_off_by_client += 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False closes the connection."""
        request = await _read(reader)
        self.requests.append(request)
        match self.script.pop(0) if self.script else None:
            case Refuse(status, code):
                error = {"message": "as scripted", "type": "x", "code": code}
                await _send(writer, status, "application/json", json.dumps({"error": error}).encode())
            case Answer(body, content_type):
                await _send(writer, 200, content_type, body)
            case Stall(seconds):
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), seconds)  # until the client has had enough
                    raise ConnectionResetError
                await _send(writer, 200, "application/json", json.dumps(_heard(request)).encode())
            case BreakOff():
                return False
            case None:
                await _send(writer, 200, "application/json", json.dumps(_heard(request)).encode())
        return True


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split(" ")[1]
    assert path in {"/v1/audio/transcriptions", "/v1/audio/translations"}
    length = re.search(r"(?i)content-length: (\d+)", head)
    boundary = re.search(r'(?i)boundary="?([^"\r\n]+)', head)
    assert length is not None
    assert boundary is not None
    body = await reader.readexactly(int(length[1]))
    fields: dict[str, list[str]] = {}
    wav = b""
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        header, _, value = part.partition(b"\r\n\r\n")
        name = re.search(rb' name="([^"]+)"', header)
        assert name is not None
        if name[1] == b"file":
            wav = value[:-2]
        else:
            fields.setdefault(name[1].decode(), []).append(value[:-2].decode())
    return Request(path, fields, wav)


def _heard(request: Request) -> dict[str, Any]:
    wav = read_wav(request.wav)
    if request.fields["response_format"] == ["json"]:
        return {"text": TEXT}
    duration_s = len(wav.data) / 2 / wav.rate_hz
    words = TEXT.split()
    step_s = duration_s / len(words)
    segment = {"id": 0, "start": 0.0, "end": duration_s, "text": f" {TEXT}", "avg_logprob": -0.1, "no_speech_prob": 0.0}
    answer: dict[str, Any] = {
        "text": f" {TEXT}",
        "language": {"en": "english", "fr": "french"}.get(request.fields.get("language", ["en"])[0], "english"),
        "duration": duration_s,
        "segments": [segment],
    }
    if "word" in request.fields.get("timestamp_granularities[]", []):
        answer["words"] = [
            {"word": word, "start": place * step_s, "end": (place + 1) * step_s} for place, word in enumerate(words)
        ]
    return answer


async def _send(writer: asyncio.StreamWriter, status: int, content_type: str, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
