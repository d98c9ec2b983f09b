"""Cuts a stream of samples into windows for detectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_SAMPLES = 512
"""Samples of one window at 16 kHz: 32 ms, the size that Silero was trained with."""
WINDOW_BYTES = WINDOW_SAMPLES * 2
FULL_SCALE = 32_768.0

Windows = NDArray[np.int16]
"""Consecutive windows of one stream, shape [n, 512]."""


class WindowCutter:
    """Cuts pieces of one stream into whole windows, and keeps the remainder."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, samples: bytes) -> Windows:
        """Add s16le bytes, cut anywhere, and return the completed windows, possibly none."""
        data = self._rest + samples if self._rest else samples
        count = len(data) // WINDOW_BYTES
        self._rest = data[count * WINDOW_BYTES :]
        return np.frombuffer(data, "<i2", count * WINDOW_SAMPLES).reshape(count, WINDOW_SAMPLES)

    def clear(self) -> None:
        """Forget the rest."""
        self._rest = b""


def mean_squares(windows: Windows) -> list[float]:
    """Return the mean power of each window, full scale 1.0."""
    scaled = windows.astype(np.float32)
    return [float(np.dot(window, window)) / (WINDOW_SAMPLES * FULL_SCALE**2) for window in scaled]
