"""A1: what the server adds to voice-to-voice latency beyond the endpointing wait and the time of the models."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Callable

from benchmarks import sound, stage, wire
from benchmarks.figures import ROUNDS, Figure, best

SESSIONS = 20
H_MS = 500
"""Silence that ends a turn."""
MODELS = {"stub_stt_ms": 100, "stub_llm_ms": 150, "stub_tts_ms": 50}
M_MS = sum(MODELS.values())
MANY = {"stt_workers": 64, "llm_workers": 64, "tts_workers": 64}
"""The models are not what is measured: nobody waits for one."""
SHORT_ANSWER = {"stub_llm_words": 5, "stub_tts_ms_per_word": 100}
_PATH = "/v1/realtime?model=gpt-realtime"


def run(short: bool) -> list[Figure]:
    """Measure manual commits and both detectors, each beside an echo of the same frames."""
    turns = 4 if short else 12
    figures = [*_figures("manual commit", turns, [sound.tone()] * 25, None, 20, 40)]
    figures += _figures("server_vad, stub detector", turns, [sound.tone()] * 25, "stub", 45, 70)
    voice = _cut_speech()
    if voice and stage.has_weights("silero-vad"):
        figures += _figures("server_vad, Silero", turns, voice, "silero", 45, 70)
    return figures


def _figures(
    what: str, turns: int, voice: list[bytes], vad: str | None, p50_limit: float, p99_limit: float
) -> list[Figure]:
    ours: list[list[float]] = []
    floors: list[list[float]] = []
    for _ in range(ROUNDS):
        with stage.script("echo_server.py") as server:
            floors.append(asyncio.run(_echoed(server, voice, turns)))
        with stage.antiphon(vad=vad or "stub", realtime_speculate_ms=0, **MODELS, **MANY, **SHORT_ANSWER) as server:
            ours.append(asyncio.run(answered(server, voice, turns, M_MS, detects=vad is not None)))
    return [
        Figure("A1", f"added latency, {what}, {name}", best(ours, share), "ms", limit, best(floors, share), "echo")
        for name, share, limit in (("p50", 0.5, p50_limit), ("p99", 0.99, p99_limit))
    ]


def _cut_speech() -> list[bytes] | None:
    """Return speech that ends in the middle of a loud vowel, so that its end is not a matter of taste."""
    pcm = sound.speech()
    if pcm is None:
        return None
    frames = sound.frames(pcm)
    end = max(range(60, 110), key=lambda at: sum(map(abs, array("h", frames[at]))))
    return frames[: end + 1]


# -- the floor -------------------------------------------------------------------------------------------------------
async def _echoed(server: stage.Child, voice: list[bytes], turns: int) -> list[float]:
    """Return the round trips of the same frames at the same pace, milliseconds."""
    sent = [[] for _ in range(SESSIONS)]
    trips: list[float] = []

    def listener(slot: int) -> Callable[[bytes], None]:
        def on_text(_: bytes) -> None:
            trips.append((time.perf_counter() - sent[slot].pop(0)) * 1000)

        return on_text

    sockets = [await wire.Socket.connect(server.port, "/", listener(slot)) for slot in range(SESSIONS)]
    said = [wire.append(frame) for frame in voice]
    place = 0

    def tick(slot: int) -> None:
        nonlocal place
        place += 1
        sent[slot].append(time.perf_counter())
        sockets[slot].send(said[place % len(said)])

    await wire.paced(tick, turns * 1.0, slots=SESSIONS)
    await asyncio.sleep(0.2)
    for socket in sockets:
        socket.close()
    return trips


# -- ours ------------------------------------------------------------------------------------------------------------
async def answered(server: stage.Child, voice: list[bytes], turns: int, m_ms: int, *, detects: bool) -> list[float]:
    """Let all sessions speak and be answered, and return what each answer took beyond H and ``m_ms``, milliseconds."""
    added: list[float] = []
    talkers = [Talker(voice, turns, m_ms, added, detects=detects) for _ in range(SESSIONS)]
    for talker in talkers:
        await talker.connect(server.port)
    while not all(talker.turns <= 0 for talker in talkers):
        await wire.paced(lambda slot: talkers[slot].tick(), 0.2, slots=SESSIONS)
    for talker in talkers:
        talker.socket.close()
    return added


class Talker:
    """One session: speaks, is silent, waits for the answer, begins again after a pause of its own."""

    socket: wire.Socket

    def __init__(self, voice: list[bytes], turns: int, m_ms: int, added: list[float], *, detects: bool) -> None:
        self.turns = turns
        self._m_ms = m_ms
        self._voice = [wire.append(frame) for frame in voice]
        self._silence = wire.append(sound.silence())
        self._added = added
        self._detects = detects
        self._place = -random.randrange(50)
        self._ended: float | None = None

    async def connect(self, port: int) -> None:
        """Open the session."""
        self.socket = await wire.Socket.connect(port, _PATH, self._on_text)
        detection = {"type": "server_vad", "silence_duration_ms": H_MS} if self._detects else None
        self.socket.send(wire.configure(audio={"input": {"turn_detection": detection}}))

    def tick(self) -> None:
        """Say the next 20 ms."""
        if self._place < 0 or self._place >= len(self._voice):
            self._place += self._place < 0
            if self._detects:
                self.socket.send(self._silence)
            return
        self.socket.send(self._voice[self._place])
        self._place += 1
        if self._place == len(self._voice):
            if not self._detects:
                self.socket.send(wire.event("input_audio_buffer.commit") + wire.event("response.create"))
            self._ended = time.perf_counter()

    def _on_text(self, text: bytes) -> None:
        if text.startswith(wire.DELTA) and self._ended is not None:
            wait_ms = self._m_ms + (H_MS if self._detects else 0)
            self._added.append((time.perf_counter() - self._ended) * 1000 - wait_ms)
            self._ended = None
        elif text.startswith(b'{"type":"response.done"'):
            self.turns -= 1
            self._place = -random.randrange(10, 50)
