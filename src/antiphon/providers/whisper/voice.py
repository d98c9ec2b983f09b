"""Voice detection on whole clips, robust enough to tell voices from noise, music and bangs.

Silero mistakes onsets and the rumble of a room for voices, and its scores depend on loudness. So the clip is scored
at a fixed level, with its own end as lead-in. If the result is unclear, the clip is scored twice more: backwards, and
without low frequencies. Noise seldom sounds like a voice in more than one of the three.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.vad import RATE_HZ

Samples = NDArray[np.float32]
"""Mono, 16 kHz, full scale 1.0."""
Detector = Callable[[Samples], Samples]

CLEAR_ODDS = 20.0
"""Odds of the first pass from which a voice is certain. Noise, music, hum and clicks stay below 6."""

_LEVEL = 10 ** (-29 / 20)
"""Target level (RMS) of the loudest tenth of a clip: here noise and short words differ most."""
_FAINTEST = 10 ** (-69 / 20)
"""Level below which the gain does not increase further."""
_LEAD_IN_WINDOWS = 5 * RATE_HZ // WINDOW_SAMPLES
_LOWS_SAMPLES = 27
"""Length of the moving average that keeps the frequencies below 300 Hz."""
_SUREST = 1e-6
"""Odds are clamped to this and its inverse."""


@dataclass(frozen=True, slots=True)
class VoiceScores:
    """The probability of speech, 0..1, in each window of a clip."""

    forwards: list[float]
    again: Callable[[], Sequence[list[float]]]
    """Scores the clip in the other ways, and returns the scores of each. Blocks."""

    def odds(self, first: int, end: int) -> float:
        """Return the odds of a voice in the windows from ``first`` up to, but not including, ``end``. May block.

        These are the odds of the likeliest window: of the first pass if it is clear, else the geometric mean over all
        three passes.
        """
        likeliest = _odds(self.forwards[first:end])
        if likeliest >= CLEAR_ODDS:
            return likeliest
        others = [_odds(scores[first:end]) for scores in self.again()]
        return math.prod([likeliest, *others]) ** (1 / (1 + len(others)))


def score_voice(detector: Detector, samples: Samples) -> VoiceScores:
    """Score the windows of ``samples``, the last one padded with zeros. Blocks for about 5 ms per second."""
    if not len(samples):
        return VoiceScores([], list)
    levelled = _windows(samples)

    @cache
    def again() -> Sequence[list[float]]:
        backwards = _settled(detector, levelled[::-1, ::-1])[::-1]
        return backwards, _scores(detector, _windows(_without_lows(samples)))

    return VoiceScores(_settled(detector, levelled), again)


def _odds(probabilities: list[float]) -> float:
    likeliest = min(max(probabilities, default=0.0), 1 - _SUREST)
    return max(likeliest / (1 - likeliest), _SUREST)


def _windows(samples: Samples) -> Samples:
    """Cut ``samples`` into windows, scaled to the target level."""
    windows = np.pad(samples, (0, -len(samples) % WINDOW_SAMPLES)).reshape(-1, WINDOW_SAMPLES)
    powers = np.sort(np.mean(np.square(windows), axis=1))
    loudest = powers[-max(1, len(powers) // 10) :]
    windows *= np.float32(_LEVEL / max(math.sqrt(loudest.mean()), _FAINTEST))
    return windows


def _without_lows(samples: Samples) -> Samples:
    before = _LOWS_SAMPLES // 2
    sums = np.cumsum(np.pad(samples, (before + 1, before)), dtype=np.float64)
    lows = (sums[_LOWS_SAMPLES:] - sums[:-_LOWS_SAMPLES]) / _LOWS_SAMPLES
    return (samples - lows).astype(np.float32)


def _settled(detector: Detector, windows: Samples) -> list[float]:
    """Return the scores after a lead-in of the same sound, in which the network's memory settles."""
    extended = np.concatenate([windows[-_LEAD_IN_WINDOWS:], windows])
    return _scores(detector, extended)[-len(windows) :]


def _scores(detector: Detector, windows: Samples) -> list[float]:
    return detector(windows.reshape(-1)).reshape(-1).tolist()
