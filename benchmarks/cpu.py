"""A8: CPU of the gateway for one frame pair, 20 ms in and 20 ms out, JSON and base64."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks import sound, stage, wire
from benchmarks.figures import ROUNDS, Figure

SESSIONS = 20
LONG_ANSWER = {
    "stub_llm_words": 1000,
    "stub_llm_wps": 3.4,
    "stub_tts_ms_per_word": 300,
    "realtime_delta_ms": 20,
    "llm_workers": 100,
    "tts_workers": 100,
}
"""Speech that is made as fast as it is heard, sentence by sentence, in frames of 20 ms."""


def run(short: bool) -> list[Figure]:
    """Measure a floor and a server of ours in turns."""
    seconds = 3.0 if short else 10.0
    floors: list[float] = []
    plain: list[float] = []
    heard: list[float] = []
    for _ in range(ROUNDS):
        floors.append(_floor(seconds))
        plain.append(_ours(seconds, detects=False))
        heard.append(_ours(seconds, detects=True))
    return [
        Figure("A8", "CPU per frame pair, no VAD", min(plain), "µs", 60, min(floors), "echo of the same frame"),
        Figure("", "CPU per frame pair, stub VAD with its resampling", min(heard), "µs", None, min(floors)),
    ]


def _floor(seconds: float) -> float:
    with stage.script("echo_server.py") as server:
        return asyncio.run(_echoed(server, seconds))


def _ours(seconds: float, *, detects: bool) -> float:
    with stage.antiphon(**LONG_ANSWER) as server:
        return asyncio.run(_duplex(server, seconds, detects=detects))


async def _echoed(server: stage.Child, seconds: float) -> float:
    got = 0

    def on_text(_: bytes) -> None:
        nonlocal got
        got += 1

    sockets = [await wire.Socket.connect(server.port, "/", on_text) for _ in range(SESSIONS)]
    said = wire.append(sound.tone())
    return await _measure(server, sockets, said, seconds, lambda: got)


async def _duplex(server: stage.Child, seconds: float, *, detects: bool) -> float:
    got = 0

    def on_text(text: bytes) -> None:
        nonlocal got
        got += text.startswith(wire.DELTA)

    sockets = await speaking(server.port, on_text, detects=detects)
    return await _measure(server, sockets, wire.append(sound.tone()), seconds, lambda: got)


async def speaking(port: int, on_text: wire.OnText, *, detects: bool) -> list[wire.Socket]:
    """Open sessions and let them speak; return when all do, at an even pace."""
    path = "/v1/realtime?model=gpt-realtime&pace=realtime"
    sockets = [await wire.Socket.connect(port, path, on_text) for _ in range(SESSIONS)]
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False} if detects else None
    for socket in sockets:
        socket.send(wire.configure(audio={"input": {"turn_detection": detection}}))
        socket.send(wire.event("response.create"))
    await asyncio.sleep(6)
    return sockets


async def _measure(
    server: stage.Child, sockets: list[wire.Socket], said: bytes, seconds: float, got: Callable[[], int]
) -> float:
    before, got_before = server.cpu_s(), got()
    await wire.paced(lambda slot: sockets[slot].send(said), seconds, slots=len(sockets))
    pairs = got() - got_before
    spent_s = server.cpu_s() - before
    for socket in sockets:
        socket.close()
    return spent_s / pairs * 1e6
