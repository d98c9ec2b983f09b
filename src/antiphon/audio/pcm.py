"""Decoded audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""Sound of shape (frames, channels): s16, interleaved."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """Mono audio, signed 16-bit little-endian."""

    data: bytes
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.data) / 2 / self.rate_hz
