"""The pitch of speech, for tests and benchmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME_S, HOP_S = 0.040, 0.010
LOWEST_HZ, HIGHEST_HZ = 60, 800
VOICED = 0.7
"""Likeness of a frame to itself one period later, from which on it has a pitch."""
QUIET = 1e-3
"""Share of the loudest frame's energy below which a frame says nothing."""


def moved_percent(before: bytes, after: bytes, rate_hz: int) -> float:
    """Return the median over voiced frames of the distance of their pitches at the same place of the text.

    Both are mono s16le; ``after`` is ``before`` at another pace.
    """
    old, new = pitches(before, rate_hz), pitches(after, rate_hz)
    there = np.minimum(np.arange(len(new)) * len(before) // len(after), len(old) - 1)
    both = np.isfinite(new) & np.isfinite(old[there])
    return float(np.median(np.abs(new[both] / old[there][both] - 1))) * 100


def pitches(sound: bytes, rate_hz: int) -> NDArray[np.float64]:
    """Return the pitch of each 10 ms in hertz, NaN where there is none.

    It is the first strong peak of the autocorrelation of 40 ms, each lag normalised by the energy of the two parts
    that it compares.
    """
    samples = np.frombuffer(sound, "<i2").astype(np.float64)
    size = round(rate_hz * FRAME_S)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: round(rate_hz * HOP_S)]
    frames = frames - frames.mean(axis=1, keepdims=True)
    lags = np.arange(rate_hz // HIGHEST_HZ, rate_hz // LOWEST_HZ + 1)
    spectra = np.fft.rfft(frames, 2 * size)
    products = np.fft.irfft(spectra * spectra.conj())[:, lags]
    energy = np.cumsum(frames * frames, axis=1)
    parts = energy[:, size - 1 - lags] * (energy[:, -1:] - energy[:, lags - 1])
    likeness = products / np.sqrt(parts + 1.0)
    loud = energy[:, -1] > energy[:, -1].max() * QUIET
    periods = [_period(one) if is_loud else np.nan for one, is_loud in zip(likeness, loud, strict=True)]
    return rate_hz / (lags[0] + np.array(periods))


def _period(likeness: NDArray[np.float64]) -> float:
    """Return the place of the first strong peak, between the samples."""
    inner = likeness[1:-1]
    is_peak = (inner >= likeness[:-2]) & (inner >= likeness[2:]) & (inner > max(VOICED, 0.9 * likeness.max()))
    if not is_peak.any():
        return float("nan")
    peak = int(np.argmax(is_peak)) + 1
    before, at, after = likeness[peak - 1 : peak + 2]
    bend = before - 2 * at + after
    return peak + ((before - after) / (2 * bend) if bend else 0.0)  # the top of the parabola through the three
