"""The log-mel spectrogram of Whisper and similar models: 80 bands, a frame every 10 ms, 16 kHz."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
BANDS = 80
_FFT = 400
_HOP = 160
_RANGE = 8.0
"""Decades below the loudest point that are kept."""
_LINEAR_HZ = 1000.0
"""Mels are linear up to here, logarithmic above."""
_MELS_PER_HZ = 3 / 200
_MELS_PER_LOG = 27 / np.log(6.4)

Floats = NDArray[np.float32]


def log_mel(samples: Floats) -> Floats:
    """Return [80, frames] for mono samples; 160 samples make a frame. Values lie in a range of 2 around 0."""
    padded = np.pad(samples, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP][: len(samples) // _HOP]
    power = np.abs(np.fft.rfft(frames * _window(), axis=-1)) ** 2
    decades = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    decades = np.maximum(decades, decades.max() - _RANGE)
    return ((decades + 4.0) / 4.0).astype(np.float32)


@cache
def _window() -> Floats:
    return np.hanning(_FFT + 1)[:-1].astype(np.float32)


@cache
def _filters() -> Floats:
    """Return triangles of equal area, evenly spaced in mels, [bands, bins]."""
    bins_hz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    edges_hz = _to_hz(np.linspace(0.0, _to_mels(RATE_HZ / 2), BANDS + 2))
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    triangles = np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle))
    return (np.maximum(triangles, 0.0) * 2.0 / (high - low)).astype(np.float32)


def _to_mels(hz: float) -> float:
    return float(_LINEAR_HZ * _MELS_PER_HZ + np.log(hz / _LINEAR_HZ) * _MELS_PER_LOG)


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = mels - _LINEAR_HZ * _MELS_PER_HZ
    return np.where(above < 0, mels / _MELS_PER_HZ, _LINEAR_HZ * np.exp(np.maximum(above, 0.0) / _MELS_PER_LOG))
