"""A7: sessions on one core, full duplex in frames of 20 ms with Silero listening, until answers come late.

Everything of the server runs on one core, engines included; the client has the other. What is timed is the round trip
of a small event on each session among the audio. The floor is the same number of connections on the echo server.
"""

from __future__ import annotations

import asyncio
import os
import time

from benchmarks import sound, stage, wire
from benchmarks.cpu import LONG_ANSWER
from benchmarks.figures import Figure, quantile

STEPS = (25, 50, 75, 100, 125, 150, 200)
MOST_MS = 20.0
_PATH = "/v1/realtime?model=gpt-realtime&pace=realtime"
_ERROR = b'{"type":"error"'


def run(short: bool) -> list[Figure]:
    """Ramp up until the p99 bends."""
    seconds = 4.0 if short else 15.0
    vad = "silero" if stage.has_weights("silero-vad") else "stub"
    fits, p99, floor = 0, 0.0, 0.0
    for sessions in STEPS:
        measured = _at(sessions, seconds, vad)
        if measured > MOST_MS:
            break
        fits, p99, floor = sessions, measured, _floor(sessions, seconds)
    if not fits:
        return [Figure("A7", f"sessions on one core, {vad} VAD", 0, "sessions", 100, more=True)]
    what = f"sessions on one core, full duplex, {vad} VAD, p99 added <= {MOST_MS:.0f} ms"
    at_that = f"round trip at {fits} sessions, p99"
    return [
        Figure("A7", what, float(fits), "sessions", 100, more=True),
        Figure("", at_that, p99, "ms", None, floor, "echo, as many connections"),
    ]


def _at(sessions: int, seconds: float, vad: str) -> float:
    with stage.antiphon(vad=vad, **{**LONG_ANSWER, "llm_workers": 250, "tts_workers": 250}) as server:
        server.pin(0)
        return asyncio.run(_duplex(server, sessions, seconds))


def _floor(sessions: int, seconds: float) -> float:
    with stage.script("echo_server.py") as server:
        server.pin(0)
        return asyncio.run(_echoed(server, sessions, seconds))


async def _duplex(server: stage.Child, sessions: int, seconds: float) -> float:
    probes = [Probe() for _ in range(sessions)]
    sockets = [await wire.Socket.connect(server.port, _PATH, probe.on_text) for probe in probes]
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    for socket in sockets:
        socket.send(wire.configure(audio={"input": {"turn_detection": detection}}))
        socket.send(wire.event("response.create"))
        await asyncio.sleep(0.02)
    speech = sound.speech()
    said = [wire.append(frame) for frame in (sound.frames(speech) if speech else [sound.tone()])]
    server.pin(0)  # threads that were started since
    question = wire.event("conversation.item.delete", item_id="nobody")
    return await _measure(sockets, probes, said, question, seconds)


async def _echoed(server: stage.Child, sessions: int, seconds: float) -> float:
    probes = [Probe() for _ in range(sessions)]
    sockets = [await wire.Socket.connect(server.port, "/", probe.on_text) for probe in probes]
    question = wire.frame(_ERROR)
    return await _measure(sockets, probes, [wire.append(sound.tone())], question, seconds)


async def _measure(
    sockets: list[wire.Socket], probes: list[Probe], said: list[bytes], question: bytes, seconds: float
) -> float:
    """Send audio on all connections, and a question on each twice a second; return the p99 of the answers."""
    place = 0

    def tick(slot: int) -> None:
        nonlocal place
        place += 1
        sockets[slot].send(said[(place // len(sockets) + 7 * slot) % len(said)])
        if place // len(sockets) % 25 == slot % 25:
            probes[slot].asked_at = time.perf_counter()
            sockets[slot].send(question)

    await wire.paced(tick, 1.0, slots=len(sockets))
    for probe in probes:
        probe.trips.clear()
    await wire.paced(tick, seconds, slots=len(sockets))
    for socket in sockets:
        socket.close()
    return quantile([trip for probe in probes for trip in probe.trips], 0.99)


class Probe:
    """Times the answers on one connection."""

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.trips: list[float] = []

    def on_text(self, text: bytes) -> None:
        """Note an answer."""
        if self.asked_at and text.startswith(_ERROR):
            self.trips.append((time.perf_counter() - self.asked_at) * 1000)
            self.asked_at = 0.0


if __name__ == "__main__":
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    for figure in run(short=True):
        print(figure)
