"""Assembles one sound track, as a stream, from pieces with positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Samples

_Wide = NDArray[np.float32]

_FADE_MS = 10
"""Long enough not to click, shorter than any sound of speech."""


class Timeline:
    """Mixes pieces, given in the order of their positions, into one track without gaps.

    A piece that overlaps the next one is crossfaded with it. Returned frames are final; only frames that may still
    be mixed are held.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._fade = max(1, rate_hz * _FADE_MS // 1000)
        self._done = 0
        self._open: _Wide = np.zeros((0, channels), np.float32)
        """Frames from ``_done`` on that may still change."""

    def place(self, start: int, piece: Samples, bed: Samples | None = None, volume: float = 0.0) -> Samples:
        """Put ``piece`` at frame ``start`` and return the frames before it. ``start`` never decreases.

        ``bed`` is mixed in at ``volume`` (0.0 to 1.0) from the same position.
        """
        final = self._until(start)
        new = piece.astype(np.float32)
        overlap = min(len(self._open), len(new))
        if overlap:
            _fade_out(self._open, min(self._fade, len(self._open)))
            _fade_in(new, min(self._fade, overlap))
        self._mix(new)
        if bed is not None and volume:
            self._mix(bed.astype(np.float32) * np.float32(volume))
        return final

    def finish(self, end: int) -> Samples:
        """Return the rest, up to frame ``end`` exactly; longer sound is faded out there."""
        if self._done + len(self._open) > end:
            self._open = self._open[: max(0, end - self._done)]
            _fade_out(self._open, min(self._fade, len(self._open)))
        return self._until(end)

    def _until(self, place: int) -> Samples:
        """Return the frames up to ``place``, with silence between pieces."""
        wanted = place - self._done
        final, self._open = self._open[:wanted], self._open[wanted:]
        self._done = place
        missing = wanted - len(final)
        return np.pad(np.clip(np.rint(final), -32768, 32767).astype(np.int16), ((0, missing), (0, 0)))

    def _mix(self, new: _Wide) -> None:
        missing = max(0, len(new) - len(self._open))
        self._open = np.pad(self._open, ((0, missing), (0, 0)))
        self._open[: len(new)] += new


def _fade_out(samples: _Wide, frames: int) -> None:
    if frames:
        samples[-frames:] *= np.linspace(1.0, 0.0, frames, dtype=np.float32)[:, None]


def _fade_in(samples: _Wide, frames: int) -> None:
    if frames:
        samples[:frames] *= np.linspace(0.0, 1.0, frames, dtype=np.float32)[:, None]
