"""The stub end-of-turn detector: a turn is over when its clip ends quietly. Deterministic."""

from __future__ import annotations

import numpy as np

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm
from antiphon.ports.engine import EngineContext

THRESHOLD_RMS = 0.01
"""Full scale is 1.0."""
_TAIL_S = 0.1


class StubTurn:
    """Scores 0.9 when the last 100 ms are quiet or the clip is empty, else 0.1."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("stub")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def score(self, audio: Pcm) -> float:
        """Score the loudness of the clip's end."""
        samples = np.frombuffer(audio.data, "<i2", len(audio.data) // 2)[-int(audio.rate_hz * _TAIL_S) :]
        power = float(np.mean((samples / 32_768.0) ** 2)) if len(samples) else 0.0
        return 0.9 if power <= THRESHOLD_RMS**2 else 0.1


def create(context: EngineContext) -> StubTurn:
    """Make the engine; it has no settings."""
    del context
    return StubTurn()
