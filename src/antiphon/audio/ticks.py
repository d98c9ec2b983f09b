"""Positions in audio: ticks of 1/24000 s, whole numbers for 24 kHz PCM, 16 kHz VAD windows and 8 kHz G.711 alike."""

from __future__ import annotations

TICKS_PER_S = 24_000
TICKS_PER_MS = 24
VAD_WINDOW_TICKS = 768
"""512 samples at 16 kHz = 32 ms."""


def ms(ticks: int) -> int:
    """Whole milliseconds, rounded down."""
    return ticks // TICKS_PER_MS


def from_ms(milliseconds: int) -> int:
    """Ticks of a number of milliseconds."""
    return milliseconds * TICKS_PER_MS
