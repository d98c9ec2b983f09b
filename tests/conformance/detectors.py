"""Every `VoiceActivity` that can run here, and how to listen to one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.vad import VoiceActivity, VoiceStream
from antiphon.providers.registry import load
from tests.conformance.recognisers import context, recording

WINDOW_BYTES = WINDOW_SAMPLES * 2

WEIGHTS = {"stub": "", "energy": "", "silero": "silero-vad"}


def make(name: str) -> VoiceActivity:
    """Return an engine that is not started yet."""
    return load("vad", [name], context())


@dataclass
class Listener:
    """All scores of one stream."""

    scores: list[float] = field(default_factory=list)

    def __call__(self, scores: Sequence[float]) -> None:
        self.scores.extend(scores)

    async def reach(self, windows: int) -> None:
        """Wait until so many windows are scored."""
        async with asyncio.timeout(60):
            while len(self.scores) < windows:
                await asyncio.sleep(0.002)


async def settle(engine: VoiceActivity) -> None:
    """Wait until all that was fed so far is scored: engines score in the order in which windows come."""
    last = Listener()
    stream = engine.open(last)
    stream.feed(recording("spk2_snt2.wav").data[20_480 : 20_480 + WINDOW_BYTES])
    await last.reach(1)
    stream.close()


async def scores_of(engine: VoiceActivity, samples: bytes, *, piece_bytes: int | None = None) -> list[float]:
    """Return the scores of a whole stream, fed in pieces with turns of the loop between."""
    listener = Listener()
    stream: VoiceStream = engine.open(listener)
    step = piece_bytes or max(1, len(samples))
    for start in range(0, len(samples), step):
        stream.feed(samples[start : start + step])
        await asyncio.sleep(0)
    await listener.reach(len(samples) // WINDOW_BYTES)
    await settle(engine)
    stream.close()
    return listener.scores
