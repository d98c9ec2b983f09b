"""Every `VoiceActivity` that can run here, and how to listen to one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.vad import VoiceActivity, VoiceStream
from antiphon.providers.registry import load
from tests.conformance.ears import context

WINDOW_BYTES = WINDOW_SAMPLES * 2

WEIGHTS = {"stub": "", "energy": "", "silero": "silero-vad"}


def make(name: str) -> VoiceActivity:
    """Return an engine that is not started yet."""
    return load("vad", [name], context())


@dataclass
class Listener:
    """All that was told of one stream."""

    scores: list[float] = field(default_factory=list)
    tellings: int = 0

    def __call__(self, scores: Sequence[float]) -> None:
        self.tellings += 1
        self.scores.extend(scores)


async def settle(listener: Listener, windows: int) -> None:
    """Wait until so many windows were told, 5 s at most, and a little longer to see whether more come."""
    async with asyncio.timeout(5):
        while len(listener.scores) < windows:
            await asyncio.sleep(0.002)
    await asyncio.sleep(0.02)


async def scores_of(engine: VoiceActivity, samples: bytes, *, piece_bytes: int | None = None) -> list[float]:
    """Return the scores of a whole stream, fed in pieces with turns of the loop between."""
    listener = Listener()
    stream: VoiceStream = engine.open(listener)
    step = piece_bytes or max(1, len(samples))
    for start in range(0, len(samples), step):
        stream.feed(samples[start : start + step])
        await asyncio.sleep(0)
    await settle(listener, len(samples) // WINDOW_BYTES)
    stream.close()
    return listener.scores
