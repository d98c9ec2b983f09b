"""The stub VAD: loud is speech. Deterministic and cheap, for functional and load tests."""

from __future__ import annotations

from antiphon.audio.windows import Windows, mean_squares
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.instant_vad import InstantVoiceActivity

THRESHOLD_RMS = 0.01
"""Full scale is 1.0: -40 dBFS."""


class Threshold:
    """Scores 1.0 above the threshold, else 0.0."""

    def score(self, windows: Windows) -> list[float]:
        """Score each window independently."""
        return [1.0 if power > THRESHOLD_RMS**2 else 0.0 for power in mean_squares(windows)]


def create(context: EngineContext) -> InstantVoiceActivity:
    """Make the engine; it has no settings."""
    del context
    return InstantVoiceActivity("stub", Threshold)
