"""Voice to voice with the packaged engines and real recordings: from the last sound of a question to the first answer.

The floor is the silence that ends a turn (500 ms): no server that waits for it can be faster.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import numpy as np

from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav
from benchmarks import stage, wire
from benchmarks.figures import Figure, quantile

RECORDINGS = ("spk1_snt1.wav", "spk1_snt4.wav", "spk1_snt5.wav", "spk2_snt2.wav", "spk2_snt4.wav")
AUDIO = Path(__file__).resolve().parent.parent / "tests" / "audio"
ENGINES = {
    "stt": "whisper",
    "llm": "smollm2,rules",
    "tts": "hibari",
    "vad": "silero,energy",
    "end_of_turn": "smart-turn,silence",
}
RATE_HZ = 24_000
FRAME = 960
SILENCE_MS = 500
SPECULATE_MS = 180
QUIET = 0.02
"""Of full scale: the last sample above it is the last sound."""
DEADLINE_S = 15.0


def run(short: bool) -> list[Figure]:
    """Measure one session, three at a time, and both with answers begun in the first silence."""
    turns = 4 if short else 15
    figures: list[Figure] = []
    for speculate_ms, limit in ((0, 1400.0), (SPECULATE_MS, 1000.0)):
        with stage.antiphon(**ENGINES, realtime_speculate_ms=speculate_ms) as server:
            for sessions in (1, 3):
                waits = asyncio.run(_sessions(server.port, sessions, turns))
                how = f"{sessions} session(s)" + (", speculating" if speculate_ms else "")
                for share, name, most in ((0.5, "p50", limit), (0.95, "p95", None)):
                    what = f"voice to voice, real engines, {how}, {name}"
                    figures.append(
                        Figure(
                            "voice",
                            what,
                            quantile(waits, share),
                            "ms",
                            most,
                            float(SILENCE_MS),
                            "silence that ends a turn",
                        )
                    )
    return figures


def questions() -> list[tuple[list[bytes], float]]:
    """Return each recording as frames with silence behind, and the seconds up to its last sound."""
    found: list[tuple[list[bytes], float]] = []
    for name in RECORDINGS:
        wav = read_wav((AUDIO / name).read_bytes())
        pcm = resample(wav.data, wav.rate_hz, RATE_HZ)
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2")) > QUIET * 32768)
        whole = pcm + bytes(RATE_HZ * 2 * 2)
        frames = [wire.append(whole[at : at + FRAME]) for at in range(0, len(whole), FRAME)]
        found.append((frames, float(loud[-1]) / RATE_HZ))
    return found


async def _sessions(port: int, sessions: int, turns: int) -> list[float]:
    asked = questions()
    talks = [_talk(port, asked, turns, offset) for offset in range(sessions)]
    return [wait for waits in await asyncio.gather(*talks) for wait in waits]


async def _talk(port: int, asked: list[tuple[list[bytes], float]], turns: int, offset: int) -> list[float]:
    """Ask one question after the other, each when the last answer is complete; return the waits in milliseconds."""
    first = asyncio.Event()
    done = asyncio.Event()
    heard_at = 0.0

    def on_text(text: bytes) -> None:
        nonlocal heard_at
        if text.startswith(wire.DELTA) and not first.is_set():
            heard_at = time.perf_counter()
            first.set()
        elif b'"type":"response.done"' in text[:64] and msgspec.json.decode(text)["response"]["status"] == "completed":
            done.set()

    socket = await wire.Socket.connect(port, "/v1/realtime?model=m", on_text)
    socket.send(wire.configure(audio={"input": {"transcription": {"model": "whisper-1", "language": "en"}}}))
    waits: list[float] = []
    for turn in range(turns + 1):
        frames, spoken_s = asked[(turn + offset) % len(asked)]
        first.clear()
        done.clear()
        begin = time.perf_counter()
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, begin + number * 0.02 - time.perf_counter()))
            socket.send(frame)
        async with asyncio.timeout(DEADLINE_S):
            await first.wait()
            await done.wait()
        if turn:  # the first turn warms caches up
            waits.append((heard_at - begin - spoken_s) * 1000)
    socket.close()
    return waits


if __name__ == "__main__":
    for figure in run(short=True):
        print(f"{figure.what}: {figure.ours:.0f} {figure.unit} (at most {figure.limit})")
