"""A whole server in the test's own loop, and a client that holds every event against the contract."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pybase64
import websockets
from websockets.asyncio.client import ClientConnection

from antiphon.app.process import Process, process
from antiphon.app.settings import load_settings
from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav
from antiphon.doors.server.app import HttpServer, ServerOptions
from tests.contract.recorder import check_server_event

AUDIO = Path(__file__).parent / "audio"
STUBS: dict[str, Any] = {
    "stt": "stub",
    "llm": "stub",
    "tts": "stub",
    "vad": "stub",
    "end_of_turn": "stub",
    "embedding": "stub",
    "translation": "stub",
    "bus_strict": True,
}


STUB_ENVIRONMENT = {f"ANTIPHON_{name.upper()}": str(value) for name, value in STUBS.items() if name != "bus_strict"}
"""The stub engines for a server in a process of its own, whose messages are not packed twice."""


class Served:
    """A running server."""

    def __init__(self, url: str, running: Process, stop: asyncio.Event) -> None:
        self.url = url
        self.process = running
        self.stop = stop

    @property
    def ws(self) -> str:
        """The same address for WebSockets."""
        return self.url.replace("http", "ws", 1)

    @contextlib.asynccontextmanager
    async def connect(self, query: str = "model=gpt-realtime", **options: Any) -> AsyncIterator[Client]:
        """Open a realtime session."""
        path = f"{self.ws}/v1/realtime?{query}"
        async with websockets.connect(path, max_size=None, compression=None, **options) as socket:
            yield Client(socket)


@contextlib.asynccontextmanager
async def serving(data_dir: Path, **settings: Any) -> AsyncIterator[Served]:
    """Run a server with stub engines (or what ``settings`` says) on a free port."""
    stop = asyncio.Event()
    chosen = load_settings(**{"data_dir": data_dir, "drain_s": 2, **STUBS, **settings})
    async with process(chosen) as running:
        server = HttpServer(
            running.app,
            ServerOptions(
                port=0,
                handshake_timeout_s=chosen.handshake_timeout_s,
                max_handshakes=chosen.max_handshakes,
                max_undecoded_bytes=chosen.max_undecoded_bytes,
                shutdown_s=1,
            ),
        )
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serve = asyncio.create_task(server.serve(stop=stop, ready=ready.set_result, drain=running.drain))
        await asyncio.wait({serve, ready}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield Served(await ready, running, stop)
        finally:
            stop.set()
            await serve


class Client:
    """A realtime client that checks everything it gets."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self, within_s: float = 20) -> dict[str, Any]:
        """Take the next event."""
        async with asyncio.timeout(within_s):
            event = json.loads(await self.socket.recv())
        check_server_event(event)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        """Take events until one of this type."""
        while (event := await self.receive())["type"] != kind:
            pass
        return event

    async def quiet(self, seconds: float = 0.3) -> None:
        """Nothing comes for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                raise AssertionError(f"nothing was expected, but {await self.socket.recv()!r} came")

    async def configure(self, **session: Any) -> dict[str, Any]:
        """Update the session and wait for the echo."""
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def say_text(self, text: str) -> str:
        """Add a user message."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send("conversation.item.create", item=item)
        return (await self.until("conversation.item.done"))["item"]["id"]

    async def append(self, audio: bytes, piece: int = 4800) -> None:
        """Append audio in pieces."""
        for at in range(0, len(audio), piece):
            data = pybase64.b64encode(audio[at : at + piece]).decode()
            await self.send("input_audio_buffer.append", audio=data)

    def types(self) -> list[str]:
        """Types of all events so far, neighbouring equal ones once."""
        kinds = [event["type"] for event in self.events]
        return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]

    def audio(self) -> bytes:
        """All speech received so far."""
        return b"".join(
            pybase64.b64decode(event["delta"])
            for event in self.events
            if event["type"] == "response.output_audio.delta"
        )


def recording(name: str, rate_hz: int = 24_000) -> bytes:
    """A recording as s16le mono."""
    wav = read_wav((AUDIO / name).read_bytes())
    return resample(wav.data, wav.rate_hz, rate_hz)


def silence(seconds: float, rate_hz: int = 24_000) -> bytes:
    """Nothing, as s16le mono."""
    return bytes(int(seconds * rate_hz) * 2)
