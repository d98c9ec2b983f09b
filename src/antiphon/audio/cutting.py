"""A long recording in fragments: cut where it is quiet, so that words stay whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from antiphon.errors import InvalidRequest

Samples = NDArray[np.int16]
"""Sound of shape (frames, channels): s16, interleaved."""

MIN_CHUNK_MS = 1_000
MAX_CHUNK_MS = 10_000
"""The longest fragment that a stream may announce."""

_EARLIEST = 0.6
"""Before this share of a fragment no place to cut is looked for: short fragments translate badly."""
_QUIET_MS = 100
"""A pause between words; the gaps inside them are shorter."""
_STEP_MS = 5


class Cutter:
    """Cuts one recording, fed in blocks of any size, into fragments that join to the same samples.

    Each fragment but the last is 60 to 100 % of ``chunk_ms`` long and ends in the middle of the quietest 100 ms
    there; with ``fixed`` it is exactly ``chunk_ms`` long. Raises `InvalidRequest` with param ``chunk_ms`` for
    lengths that are not within `MIN_CHUNK_MS` and `MAX_CHUNK_MS`.
    """

    def __init__(self, rate_hz: int, chunk_ms: int, *, fixed: bool = False) -> None:
        if not MIN_CHUNK_MS <= chunk_ms <= MAX_CHUNK_MS:
            message = f"chunk_ms is {chunk_ms}; fragments are {MIN_CHUNK_MS} to {MAX_CHUNK_MS} ms long"
            raise InvalidRequest(message, param="chunk_ms")
        self._rate_hz = rate_hz
        self._most = rate_hz * chunk_ms // 1000
        self._fixed = fixed
        self._blocks: list[Samples] = []
        self._held = 0

    def feed(self, block: Samples) -> list[Samples]:
        """Take more of the recording and return the fragments that are complete, possibly none."""
        self._blocks.append(block)
        self._held += len(block)
        if self._held <= self._most:
            return []
        return self._cut(np.concatenate(self._blocks))

    def finish(self) -> list[Samples]:
        """Return the last fragment, unless all was returned."""
        rest, self._blocks, self._held = self._blocks, [], 0
        return [np.concatenate(rest)] if rest else []

    def _cut(self, held: Samples) -> list[Samples]:
        fragments: list[Samples] = []
        while len(held) > self._most:
            place = self._most if self._fixed else quiet_place(held[: self._most], self._rate_hz)
            fragments.append(held[:place])
            held = held[place:]
        self._blocks, self._held = [held], len(held)
        return fragments


def quiet_place(samples: Samples, rate_hz: int) -> int:
    """Return the middle of the quietest 100 ms behind 60 % of ``samples``; of equally quiet ones the last.

    ``samples`` are of shape (frames, channels) and at least 250 ms long.
    """
    first = int(len(samples) * _EARLIEST)
    step = max(1, rate_hz * _STEP_MS // 1000)
    mono = samples[first:].astype(np.float64).sum(axis=1)
    whole = len(mono) // step * step
    powers = (mono[:whole] ** 2).reshape(-1, step).sum(axis=1)
    width = _QUIET_MS // _STEP_MS
    sums = np.convolve(powers, np.ones(width), "valid")
    last = len(sums) - 1 - int(np.argmin(sums[::-1]))
    return first + last * step + width * step // 2
