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
    times = 500 if short else 10_000
    figures: list[Figure] = []
    late = 0
    for how in ("cancel", "barge-in"):
        rounds: list[list[float]] = []
        floors: list[list[float]] = []
        for _ in range(ROUNDS):
            with stage.antiphon(**LONG_ANSWER) as server:
                speakers = asyncio.run(stops(server.port, how, times // ROUNDS // 2 // SESSIONS + 1))
            rounds.append([wait for speaker in speakers for wait in speaker.waits])
            floors.append([trip for speaker in speakers for trip in speaker.trips])
            late += sum(speaker.late for speaker in speakers)
        for share, name, most in ((0.5, "p50", 2.0), (0.99, "p99", 20.0)):
            floor = best(floors, share)
            what = f"stop by {how} to the last audio, {name}"
            figures.append(Figure("A3", what, best(rounds, share), "ms", most, floor, "a refused event's round trip"))
    figures.append(Figure("A3", "audio of a response after its response.done", float(late), "deltas", 0))
    return figures


async def stops(port: int, how: str, times: int, speaks_s: float = _SPEAKS_S) -> list[Speaker]:
    """Let all sessions speak for so long and stop each so often, by "cancel" or "barge-in"."""
    speakers = [Speaker() for _ in range(SESSIONS)]
    await asyncio.gather(*(speaker.run(port, how, times, speaks_s) for speaker in speakers))
    return speakers


class Speaker:
    """One session that is made to speak and stopped, again and again."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        """From each stop to the last audio, milliseconds."""
        self.ends: list[float] = []
        """From each stop to its ``response.done``, milliseconds."""
        self.trips: list[float] = []
        self.cut = 0
        """Stops before which audio had come."""
        self.late = 0
        self._is_answering = False
        self._stopped_at = 0.0
        self._last_audio = 0.0
        self._done_at = 0.0
        self._asked_at = 0.0
        self._done = asyncio.Event()
        self._answered = asyncio.Event()

    async def run(self, port: int, how: str, times: int, speaks_s: float) -> None:
        """Speak and be stopped so often."""
        socket = await wire.Socket.connect(port, _PATH, self._on_text)
        detection = None if how == "cancel" else {"type": "server_vad", "create_response": False}
        socket.send(wire.configure(audio={"input": {"turn_detection": detection}}))
        for _ in range(times):
            await asyncio.sleep(random.random() * speaks_s)  # people do not stop in step
            self._done.clear()
            self._last_audio = 0.0
            socket.send(wire.event("response.create"))
            await asyncio.sleep(speaks_s)
            await self._trip(socket)
            self.cut += self._last_audio > 0
            self._stopped_at = time.perf_counter()
            self._last_audio = 0.0
            socket.send(wire.event("response.cancel") if how == "cancel" else wire.append(sound.tone(20 * VOICED)))
            await asyncio.wait_for(self._done.wait(), 20)
            await asyncio.sleep(0.05)  # what comes now comes too late
            self.ends.append((self._done_at - self._stopped_at) * 1000)
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
            self._done_at = time.perf_counter()
            self._done.set()
        elif text.startswith(_ERROR):
            self.trips.append((time.perf_counter() - self._asked_at) * 1000)
            self._answered.set()
