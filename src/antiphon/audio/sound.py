"""A decoded piece of audio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sound:
    """What is left of a file: its samples, mixed to mono."""

    data: bytes
    """s16le, mono."""
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.data) / 2 / self.rate_hz
