"""A media worker for the tests of the dubbing door: the published Socket.IO client, used as workers in the field do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pybase64
import pytest
import socketio
import websockets
from websockets.asyncio.client import ClientConnection

from antiphon.app import process as processes
from antiphon.app.engines import make_engines
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from tests.contract.dubbing import check_dubbing_event
from tests.contract.recorder import ContractError
from tests.serving import Served, serving

RATE_HZ = 16_000
DURATION_MS = 400
CONFIG: dict[str, Any] = {
    "source_language": "en",
    "target_language": "es",
    "voice_profile": "default",
    "chunk_duration_ms": 6000,
    "sample_rate_hz": RATE_HZ,
    "channels": 1,
    "format": "pcm_s16le",
}
QUICK = {"stub_text": "hello", "stub_tts_ms_per_word": 100}
"""Stub engines whose speech is shorter than a fragment of `DURATION_MS`."""

Event = tuple[str, Any]


def tone(duration_ms: int = DURATION_MS, rate_hz: int = RATE_HZ) -> bytes:
    """Something to be heard, as s16le mono."""
    time = np.arange(duration_ms * rate_hz // 1000) / rate_hz
    return (np.sin(time * 2 * np.pi * 300) * 8_000).astype("<i2").tobytes()


TONE = tone()
SILENCE = bytes(len(TONE))


def sound(data: bytes = TONE, **fields: Any) -> dict[str, Any]:
    """The audio of a fragment."""
    return {
        "format": "pcm_s16le",
        "sample_rate_hz": RATE_HZ,
        "channels": 1,
        "duration_ms": DURATION_MS,
        "data_base64": pybase64.b64encode(data).decode(),
        **fields,
    }


def audio_of(result: dict[str, Any]) -> bytes:
    """The dubbed audio of a ``fragment:processed``."""
    return pybase64.b64decode(result["dubbed_audio"]["data_base64"], validate=True)


class Worker:
    """One connection of a media worker. Every event it gets is held against the contract."""

    def __init__(self, stream_id: str = "") -> None:
        self.stream_id = stream_id or f"stream-{uuid4().hex[:12]}"
        self.events: list[Event] = []
        """All that came, in order."""
        self.refused: Any = None
        """What a refused connection was told."""
        self.gone = asyncio.Event()
        """The connection has ended."""
        self._broken: ContractError | None = None
        self._taken = 0
        self._news = asyncio.Event()
        self._sio = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._sio.on("*", self._note)
        self._sio.on("connect_error", self._note_refusal)
        self._sio.on("disconnect", self._note_end)

    async def connect(self, url: str, **options: Any) -> None:
        """Connect as workers do: WebSocket alone, the namespace ``/``, no auth. Raises the client's error."""
        try:
            await self._sio.connect(url, **{"transports": ["websocket"], "wait_timeout": 10, **options})
        except socketio.exceptions.ConnectionError:
            if self._sio.eio.http is not None:  # which the client keeps
                await self._sio.eio.http.close()
            raise

    async def disconnect(self) -> None:
        """Leave."""
        await self._sio.disconnect()

    async def vanish(self) -> None:
        """Lose the connection without a word."""
        self._sio.eio.ws._response.connection.transport.abort()
        await self.ended()

    async def ended(self, within_s: float = 10) -> None:
        """Return when the server has ended the connection."""
        async with asyncio.timeout(within_s):
            await self.gone.wait()

    @property
    def transport(self) -> str:
        """How it is connected: ``polling`` or ``websocket``."""
        return self._sio.transport()

    # -- what it sends -----------------------------------------------------------------------------------------------
    async def emit(self, name: str, *payload: Any) -> None:
        """Send any event; without a payload, nothing but its name."""
        await self._sio.emit(name, *payload)

    async def init(self, config: dict[str, Any] | None = None, **fields: Any) -> None:
        """Send a ``stream:init``."""
        await self.emit("stream:init", self.init_payload(config, **fields))

    def init_payload(self, config: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """What `init` sends: ``config`` is laid over the usual one."""
        return {"stream_id": self.stream_id, "worker_id": "worker", "config": {**CONFIG, **(config or {})}, **fields}

    async def begin(self, config: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Begin the stream, and return its ``stream:ready``."""
        await self.init(config, **fields)
        return await self.next("stream:ready")

    def fragment(self, number: int, fragment_id: str = "", data: bytes = TONE, **fields: Any) -> dict[str, Any]:
        """A ``fragment:data``."""
        return {
            "fragment_id": fragment_id or self.name(number),
            "stream_id": self.stream_id,
            "sequence_number": number,
            "timestamp": number * DURATION_MS,
            "audio": sound(data),
            **fields,
        }

    def name(self, number: int) -> str:
        """The usual id of a fragment."""
        return f"{self.stream_id}-{number}"

    async def offer(self, number: int, fragment_id: str = "", data: bytes = TONE, **fields: Any) -> None:
        """Send a fragment."""
        await self.emit("fragment:data", self.fragment(number, fragment_id, data, **fields))

    async def accepted(self, *numbers: int) -> None:
        """Send fragments, and return when the last one is acknowledged."""
        for number in numbers:
            await self.offer(number)
        for number in numbers:
            assert (await self.next("fragment:ack"))["fragment_id"] == self.name(number)

    async def end(self) -> dict[str, Any]:
        """End the stream and return its ``stream:complete``."""
        await self.emit("stream:end", {"stream_id": self.stream_id, "reason": "over"})
        return await self.next("stream:complete")

    # -- what it gets ------------------------------------------------------------------------------------------------
    async def take(self, within_s: float = 20) -> Event:
        """Return the next event that was not taken yet."""
        async with asyncio.timeout(within_s):
            while self._taken >= len(self.events):
                self.check()
                self._news.clear()
                await self._news.wait()
        self._taken += 1
        return self.events[self._taken - 1]

    async def next(self, name: str, within_s: float = 20) -> Any:
        """Take events until one of this name, and return its payload."""
        while (event := await self.take(within_s))[0] != name:
            pass
        return event[1]

    async def only(self, name: str) -> Any:
        """Return the payload of the next event, which must be of this name."""
        event = await self.take()
        assert event[0] == name, event
        return event[1]

    async def error(self, code: str) -> dict[str, Any]:
        """Return the next event, which must be an ``error`` of this code."""
        error = await self.only("error")
        assert error["code"] == code, error
        return error

    async def result(self, fragment_id: str = "") -> dict[str, Any]:
        """Take events until the next result, which must be this fragment's."""
        result = await self.next("fragment:processed")
        assert not fragment_id or result["fragment_id"] == fragment_id, result
        return result

    async def silent(self) -> None:
        """Nothing came that was not taken, not even before the answer to an event that is sent last."""
        await self.emit("fragment:data", {"stream_id": "nobody's", "fragment_id": "last"})
        assert (await self.error("STREAM_NOT_FOUND"))["fragment_id"] == "last"

    def check(self) -> None:
        """Raise `ContractError` when an event broke the contract."""
        if self._broken is not None:
            raise self._broken

    def of(self, name: str) -> list[Any]:
        """The payloads of all events of this name so far."""
        return [payload for kind, payload in self.events if kind == name]

    def _note(self, name: str, payload: Any) -> None:
        try:
            check_dubbing_event(name, payload)
        except ContractError as broken:  # the client would only log it
            self._broken = broken
        else:
            self.events.append((name, payload))
        self._news.set()

    def _note_refusal(self, told: Any) -> None:
        self.refused = told

    def _note_end(self, reason: str) -> None:
        del reason
        self.gone.set()


@contextlib.asynccontextmanager
async def worker(url: str, *, stream_id: str = "", **options: Any) -> AsyncIterator[Worker]:
    """Connect a worker. Raises `ContractError` for an event that breaks the contract, also one that nobody took."""
    one = Worker(stream_id)
    await one.connect(url, **options)
    try:
        yield one
    finally:
        await one.disconnect()
    one.check()


async def refusal(url: str, **options: Any) -> Any:
    """Connect where nobody is let in, and return what is told."""
    one = Worker()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await one.connect(url, **options)
    return one.refused


class HeldStt:
    """A recogniser that can be held: fragments stay in flight until it is released."""

    def __init__(self) -> None:
        self._engine: SpeechToText
        self._free = asyncio.Event()
        self._free.set()
        self.calls = 0
        """Fragments that it was asked for."""
        self.waiting = 0
        """Those that wait at this moment."""

    def before(self, engine: SpeechToText) -> HeldStt:
        """Stand before ``engine``, which does the work."""
        self._engine = engine
        return self

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine."""
        return self._engine.capabilities

    async def start(self) -> None:
        """Start the engine."""
        await self._engine.start()

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold all fragments until the block ends, or they are let go."""
        self._free.clear()
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Finish what waits, and all that comes."""
        self._free.set()

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Wait while it is held."""
        self.calls += 1
        self.waiting += 1
        try:
            await self._free.wait()
        finally:
            self.waiting -= 1
        async for part in self._engine.transcribe(audio, options):
            yield part


@dataclass(frozen=True, slots=True)
class Door:
    """A running server, and the recogniser that it works with."""

    served: Served
    stt: HeldStt

    @property
    def url(self) -> str:
        """Where it is."""
        return self.served.url

    def metric(self, series: str) -> float | None:
        """The value of a series, None where there is no such series."""
        lines = self.served.process.services.metrics.render().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{series} ")), None)


@contextlib.asynccontextmanager
async def dubbing(data_dir: Path, engines: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Door]:
    """Run a server on stub engines, of which the recogniser can be held; ``engines`` stand in for others."""
    stt = HeldStt()

    def make(*arguments: Any) -> Any:
        made = make_engines(*arguments)
        made._made.update({"stt": stt.before(made.stt), **(engines or {})})
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "make_engines", make)
        async with serving(data_dir, **{**QUICK, **settings}) as served:
            yield Door(served, stt)


async def eventually(claim: Callable[[], bool], within_s: float = 10) -> None:
    """Return as soon as a claim about the server holds that it tells nobody."""
    async with asyncio.timeout(within_s):
        while not claim():
            await asyncio.sleep(0.005)


class Raw:
    """A connection spoken by hand: packets of Engine.IO, as text."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, packet: str | bytes) -> None:
        """Send a packet."""
        await self._socket.send(packet)

    async def emit(self, name: str, payload: Any) -> None:
        """Send an event."""
        await self.send(f"42{json.dumps([name, payload])}")

    async def receive(self, within_s: float = 30) -> str:
        """Take the next packet that is no ping."""
        async with asyncio.timeout(within_s):
            while (packet := await self._socket.recv()) == "2":
                pass
        return str(packet)

    async def event(self) -> Event:
        """Take the next packet, which must be an event."""
        packet = await self.receive()
        assert packet.startswith("42"), packet
        name, payload = json.loads(packet[2:])
        check_dubbing_event(name, payload)
        return name, payload

    async def ended(self, within_s: float = 10) -> None:
        """Return when the server has ended the connection."""
        async with asyncio.timeout(within_s):
            await self._socket.wait_closed()


@contextlib.asynccontextmanager
async def raw(url: str, *, greet: bool = True, **options: Any) -> AsyncIterator[Raw]:
    """Open a connection by hand, up to the handshake of Socket.IO; without ``greet`` to that of Engine.IO."""
    address = f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    async with websockets.connect(address, max_size=None, compression=None, **options) as socket:
        one = Raw(socket)
        assert (await one.receive()).startswith("0{")
        if greet:
            await one.send("40")
            assert (await one.receive()).startswith("40{")
        yield one
