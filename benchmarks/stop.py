"""A3: from a stop to the last audio of the answer, 50 speaking sessions; and no audio after ``response.done``.

The floor is the round trip of a refused event on the same busy sockets: what it takes to be heard and answered at all.
"""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks import sound, stage, wire
from benchmarks.figures import ROUNDS, Figure, best

SESSIONS = 50
LONG_ANSWER = {
    "stub_llm_words": 400,
    "stub_llm_wps": 40,
    "stub_tts_ms_per_word": 300,
    "realtime_delta_ms": 20,
    "llm_workers": 100,
    "tts_workers": 100,
    "realtime_truncate_wait_s": 3600,
}
_PATH = "/v1/realtime?model=gpt-realtime&pace=realtime"
_CREATED, _DONE, _ERROR = (b'{"type":"%s"' % kind for kind in (b"response.created", b"response.done", b"error"))
_SPEAKS_S = 0.3
VOICED = 6
"""Frames of 20 ms that are certainly enough to begin a turn."""


def run(short: bool) -> list[Figure]:
    """Stop by cancel and by speaking."""
    stops = 500 if short else 10_000
    figures: list[Figure] = []
    late = 0
    for how in ("cancel", "barge-in"):
        rounds: list[list[float]] = []
        floors: list[list[float]] = []
        for _ in range(ROUNDS):
            with stage.antiphon(**LONG_ANSWER) as server:
                speakers = asyncio.run(_stops(server.port, how, stops // ROUNDS // 2 // SESSIONS + 1))
            rounds.append([wait for speaker in speakers for wait in speaker.waits])
            floors.append([trip for speaker in speakers for trip in speaker.trips])
            late += sum(speaker.late for speaker in speakers)
        for share, name, most in ((0.5, "p50", 2.0), (0.99, "p99", 20.0)):
            floor = best(floors, share)
            what = f"stop by {how} to the last audio, {name}"
            figures.append(Figure("A3", what, best(rounds, share), "ms", most, floor, "a refused event's round trip"))
    figures.append(Figure("A3", "audio of a response after its response.done", float(late), "deltas", 0))
    return figures


async def _stops(port: int, how: str, times: int) -> list[Speaker]:
    speakers = [Speaker() for _ in range(SESSIONS)]
    await asyncio.gather(*(speaker.run(port, how, times) for speaker in speakers))
    return speakers


class Speaker:
    """One session that is made to speak and stopped, again and again."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.trips: list[float] = []
        self.late = 0
        self._is_answering = False
        self._stopped_at = 0.0
        self._last_audio = 0.0
        self._asked_at = 0.0
        self._done = asyncio.Event()
        self._answered = asyncio.Event()

    async def run(self, port: int, how: str, times: int) -> None:
        """Speak and be stopped so often."""
        socket = await wire.Socket.connect(port, _PATH, self._on_text)
        detection = None if how == "cancel" else {"type": "server_vad", "create_response": False}
        socket.send(wire.configure(audio={"input": {"turn_detection": detection}}))
        for _ in range(times):
            await asyncio.sleep(random.random() * _SPEAKS_S)  # people do not stop in step
            self._done.clear()
            socket.send(wire.event("response.create"))
            await asyncio.sleep(_SPEAKS_S)
            await self._trip(socket)
            self._stopped_at = time.perf_counter()
            self._last_audio = 0.0
            socket.send(wire.event("response.cancel") if how == "cancel" else wire.append(sound.tone(20 * VOICED)))
            await asyncio.wait_for(self._done.wait(), 20)
            await asyncio.sleep(0.05)  # what comes now comes too late
            self.waits.append(max(0.0, self._last_audio - self._stopped_at) * 1000)
            if how != "cancel":
                socket.send(wire.event("input_audio_buffer.clear"))
        socket.close()

    async def _trip(self, socket: wire.Socket) -> None:
        self._answered.clear()
        self._asked_at = time.perf_counter()
        socket.send(wire.event("conversation.item.delete", item_id="nobody"))
        await asyncio.wait_for(self._answered.wait(), 20)

    def _on_text(self, text: bytes) -> None:
        if text.startswith(wire.DELTA):
            self._last_audio = time.perf_counter()
            self.late += not self._is_answering
        elif text.startswith(_CREATED):
            self._is_answering = True
        elif text.startswith(_DONE):
            self._is_answering = False
            self._done.set()
        elif text.startswith(_ERROR):
            self.trips.append((time.perf_counter() - self._asked_at) * 1000)
            self._answered.set()
