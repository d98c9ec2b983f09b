"""How the voice detector hears a clip, so that it can tell voices from noise, music and bangs by itself.

Silero hears a voice in much that merely begins, in the rumble of a room, and in one sound more or less of it by its
loudness. So it is given the clip at one level, with the end of the clip as lead-in. Where that leaves a doubt it hears
the clip twice more: backwards, and without the lows. Noise seldom sounds like a voice in more than one of the three
ways.
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
"""A voice that is so likely at first hearing is one. Noise, music, hum and clicks stay below 6."""

_LEVEL = 10 ** (-29 / 20)
"""To which the loudest tenth of a clip is brought (RMS): here noise and short words lie the furthest apart."""
_FAINTEST = 10 ** (-69 / 20)
"""What is fainter gets no more gain than this."""
_LEAD_IN_WINDOWS = 5 * RATE_HZ // WINDOW_SAMPLES
_LOWS_SAMPLES = 27
"""The mean of so many samples holds what lies below 300 Hz."""
_SUREST = 1e-6
"""Odds are kept between this and its inverse."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How likely somebody speaks in each window of a clip, 0..1, in the order of the clip."""

    forwards: list[float]
    again: Callable[[], Sequence[list[float]]]
    """Hears the clip in other ways, and returns the scores of each. Blocks."""

    def odds(self, first: int, end: int) -> float:
        """Return the odds that there is a voice from window ``first`` up to but without ``end``. May block.

        They are those of the likeliest window: at first hearing where it is clear, else their mean in logarithms over
        all the ways to hear the clip.
        """
        likeliest = _odds(self.forwards[first:end])
        if likeliest >= CLEAR_ODDS:
            return likeliest
        others = [_odds(scores[first:end]) for scores in self.again()]
        return math.prod([likeliest, *others]) ** (1 / (1 + len(others)))


def hear(detector: Detector, samples: Samples) -> Hearing:
    """Score the windows of ``samples``, the last one filled up with zeros. Blocks for about 5 ms per second."""
    if not len(samples):
        return Hearing([], list)
    levelled = _windows(samples)

    @cache
    def again() -> Sequence[list[float]]:
        backwards = _settled(detector, levelled[::-1, ::-1])[::-1]
        return backwards, _scores(detector, _windows(_without_lows(samples)))

    return Hearing(_settled(detector, levelled), again)


def _odds(probabilities: list[float]) -> float:
    likeliest = min(max(probabilities, default=0.0), 1 - _SUREST)
    return max(likeliest / (1 - likeliest), _SUREST)


def _windows(samples: Samples) -> Samples:
    """Cut ``samples`` into windows of the level that the detector is given."""
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
    """Return the scores that follow a lead-in of the same sound, when the network's memory has settled."""
    heard = np.concatenate([windows[-_LEAD_IN_WINDOWS:], windows])
    return _scores(detector, heard)[-len(windows) :]


def _scores(detector: Detector, windows: Samples) -> list[float]:
    return detector(windows.reshape(-1)).reshape(-1).tolist()
