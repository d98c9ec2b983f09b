"""Voice activity without a model: the level relative to the quietest moment of the last 1.5 s."""

from __future__ import annotations

from collections import deque
from math import exp, log10

from antiphon.audio.windows import Windows, mean_squares
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.instant_vad import InstantVoiceActivity

_MEMORY_WINDOWS = 48
"""1.5 s. Steady noise counts as speech for this long at most; more would help speech without pauses."""
_FLOOR_DBFS = (-70.0, -35.0)
"""Bounds of the noise floor: digital silence is no reference, and a loud floor is continuous speech."""
_MARGIN_DB = 12.0
"""Level above the floor at which the probability is one half."""
_SLOPE_DB = 2.0
_SILENCE = 1e-10


class AdaptiveLevel:
    """Scores the level of one stream against its noise floor."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=_MEMORY_WINDOWS)

    def score(self, windows: Windows) -> list[float]:
        """Score each window against those before it."""
        return [self._judge(10 * log10(max(power, _SILENCE))) for power in mean_squares(windows)]

    def _judge(self, level_dbfs: float) -> float:
        lowest, highest = _FLOOR_DBFS
        self._levels.append(level_dbfs)
        floor = min(max(min(self._levels), lowest), highest) if len(self._levels) > 1 else lowest
        distance = min(max((level_dbfs - floor - _MARGIN_DB) / _SLOPE_DB, -30.0), 30.0)
        return 1 / (1 + exp(-distance))


def create(context: EngineContext) -> InstantVoiceActivity:
    """Make the engine; it has no settings."""
    del context
    return InstantVoiceActivity("energy", AdaptiveLevel)
