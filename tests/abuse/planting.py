"""Secrets to plant, services that repeat what they are sent, and a server of which all that leaves it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
import websockets

from tests.fakes.loopback import listening
from tests.serving import STUB_ENVIRONMENT
from tests.valkey import LOGIN, PASSWORD, Node

_LEAST_HALF = 12
"""Characters of a half that is looked for as well."""

OWN, WRONG = secrets.token_hex(24), secrets.token_hex(24)
"""A key of the server, as the documents tell people to make keys, and one that it does not know: neither looks it."""
CONFIGURED = {
    "api_keys": OWN,
    "secret_key": secrets.token_hex(24),
    "openai_api_key": f"sk-proj-{secrets.token_hex(20)}",
    "elevenlabs_api_key": secrets.token_hex(16),
    "deepl_api_key": f"{secrets.token_hex(4)}-7b2d-4c86-9e15-{secrets.token_hex(6)}:fx",
}
"""By the settings' names."""
SAID = (
    f"sk-proj-{secrets.token_hex(20)}",
    f"sk-ant-api03-{secrets.token_hex(20)}",
    f"ek_{secrets.token_hex(60)}",
    f"AIza{secrets.token_hex(16)}",
    f"AKIA{secrets.token_hex(8).upper()}",
    f"ghp_{secrets.token_hex(18)}",
    f"{secrets.token_hex(4)}-3d4e-4f78-8a9b-{secrets.token_hex(6)}:fx",
    f"api_key={secrets.token_hex(20)}",
    f"xi-api-key: {secrets.token_hex(16)}",
    f"Authorization: Token {secrets.token_hex(20)}",
    f"DeepL-Auth-Key {secrets.token_hex(20)}",
    f"redis://:{secrets.token_hex(16)}@redis.example:6379/0",
)
"""What somebody tells a model who had better not."""


def found(text: str, planted: Iterable[str]) -> list[str]:
    """Return what was planted and stands in ``text``, whole or a half of it, with the words around it."""
    at = ((text.find(piece), piece) for secret in planted for piece in _pieces(secret))
    return [text[max(0, place - 200) : place + len(piece)] for place, piece in at if place >= 0]


def _pieces(secret: str) -> set[str]:
    """Return the secret itself, without the words before and behind it, and its halves, in every spelling."""
    value = max(re.split(r"[= @]|://:", secret), key=len)
    middle = len(value) // 2
    parts = {value, *(half for half in (value[:middle], value[middle:]) if len(half) >= _LEAST_HALF)}
    return {spelled for part in parts for spelled in (part, quote(part, safe=""), json.dumps(part)[1:-1])}


class Parrot:
    """A service that refuses every request with all of its words, or says secrets in small pieces and breaks off."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._statuses = itertools.cycle((500, 200, 401, 400))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1])) if length else b""
        request = (head + body).decode("latin-1")
        self.asked.append(request)
        told = {"message": request, "type": request, "code": request, "param": request}
        answer = json.dumps({"error": told, "message": request, "detail": request})
        status, kind = next(self._statuses), "application/json"
        if status == 200 and b"/chat/completions" in head:
            kind = "text/event-stream"
            answer = "".join(f"data: {json.dumps(event)}\n\n" for event in (*_deltas(), json.loads(answer)))
        lines = (f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(answer)}")
        writer.write("\r\n".join([*lines, "connection: close", "", ""]).encode() + answer.encode())
        await writer.drain()


def _deltas() -> Iterable[dict[str, Any]]:
    """Return chunks of a few characters, so that no secret is in one of them."""
    said = ". ".join(SAID)
    for at in range(0, len(said), 7):
        choice = {"index": 0, "delta": {"content": said[at : at + 7]}, "finish_reason": None}
        yield {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


@dataclass
class Stand:
    """A server with debug logs and a Redis with a password."""

    url: str
    parrot: Parrot
    node: Node
    log: Path
    answers: list[str] = field(default_factory=list)
    """Headers and bodies of refusals, and events, without what a conversation is about."""
    failures: list[str] = field(default_factory=list)
    """Those of them that tell that an engine has failed."""
    issued: list[str] = field(default_factory=list)
    """Secrets that it has made."""

    @property
    def ws(self) -> str:
        """The same address for WebSockets."""
        return self.url.replace("http", "ws", 1)

    @property
    def planted(self) -> set[str]:
        """Everything that must not be found."""
        return {*CONFIGURED.values(), WRONG, *SAID, *self.issued}

    def dead_letters(self) -> list[str]:
        """Return the queue of every job that was given up, and all that is kept of it."""
        with redis.Redis(port=self.node.port, password=PASSWORD) as client:
            queues = client.keys("antiphon:queue:*:dead")
            return [f"{queue} {letter}" for queue in queues for letter in client.xrange(queue)]

    def note(self, event: dict[str, Any]) -> None:
        """Keep an event of a conversation, without its words."""
        match event["type"]:
            case "session.created":
                self.issued.append(event["antiphon"]["resume_token"])
            case "response.done":
                self.failures.append(json.dumps(event["response"]["status_details"]))
            case "conversation.item.input_audio_transcription.failed":
                self.failures.append(json.dumps(event))
            case "error":
                self.answers.append(json.dumps(event))
            case _:
                pass

    async def shake(self, path: str, **options: Any) -> None:
        """Try a handshake, and note how it is refused."""
        try:
            async with websockets.connect(f"{self.ws}{path}", **options):
                pass
        except websockets.InvalidStatus as refused:
            self.answers.append(f"{refused.response.headers}{(refused.response.body or b'').decode()}")


@contextlib.asynccontextmanager
async def planted(folder: Path) -> AsyncIterator[Stand]:
    """Run a server whose services are a parrot."""
    parrot, node, log = Parrot(), Node(folder / "valkey"), folder / "log"
    foreign = ("ANTIPHON_", "OPENAI_", "COVERAGE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    async with listening(parrot.serve) as service, contextlib.AsyncExitStack() as stack:
        stack.callback(node.stop)
        settings = {
            **CONFIGURED,
            "llm": "openai",
            "stt": "openai",
            "tts": "elevenlabs",
            "translation": "deepl",
            "openai_base_url": f"{service}/v1",
            "elevenlabs_base_url": service,
            "deepl_server_url": service,
            "redis_url": f"redis://{LOGIN}@127.0.0.1:{node.port}/0",
            "data_dir": folder / "data",
            "log_level": "debug",
            "log_format": "json",
            "drain_s": 1,
        }
        given = {f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}
        with subprocess.Popen(
            [sys.executable, "-m", "antiphon", "serve", "--port", "0"],
            env=own | STUB_ENVIRONMENT | given,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("w")),
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                line = await asyncio.to_thread(process.stdout.readline)
                assert line.startswith("antiphon ready"), log.read_text()
                yield Stand(line.split()[-1], parrot, node, log)
            finally:
                process.terminate()
                rest, _ = await asyncio.to_thread(process.communicate)
    assert rest == "", "the standard output is for the address alone"
