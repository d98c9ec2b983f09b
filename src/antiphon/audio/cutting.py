"""Cuts a long recording into fragments in quiet places, so that words stay whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from antiphon.audio.pcm import Samples
from antiphon.errors import InvalidRequest

MIN_CHUNK_MS = 1_000
MAX_CHUNK_MS = 10_000
"""The longest fragment that a stream may announce."""

_EARLIEST = 0.6
"""Earliest cut, as a share of a fragment: short fragments translate badly."""
_LEAST_OF_REST = 0.35
"""Least share of the last two fragments that each of them has: a lone syllable is not speech."""
_QUIET_MS = 100
"""A pause between words; the gaps inside them are shorter."""
_STEP_MS = 5
_LOOK_S = 10
"""A quiet place is searched in this time before the longest end of a piece."""


class FragmentCutter:
    """Cuts one recording, fed in blocks of any size, into fragments that join to the same samples.

    Each fragment but the last two is 60 to 100 % of ``chunk_ms`` long and ends in the middle of the quietest 100 ms
    there; the last two divide the rest at the quietest 100 ms near its middle. With ``fixed`` each but the last is
    exactly ``chunk_ms`` long. Raises `InvalidRequest` with param ``chunk_ms`` for lengths that are not between
    `MIN_CHUNK_MS` and `MAX_CHUNK_MS`.
    """

    def __init__(self, rate_hz: int, chunk_ms: int, *, fixed: bool = False) -> None:
        if not MIN_CHUNK_MS <= chunk_ms <= MAX_CHUNK_MS:
            message = f"chunk_ms is {chunk_ms}; fragments are {MIN_CHUNK_MS} to {MAX_CHUNK_MS} ms long"
            raise InvalidRequest(message, param="chunk_ms")
        self._rate_hz = rate_hz
        self._most = rate_hz * chunk_ms // 1000
        self._fixed = fixed
        self._enough = self._most if fixed else self._most + int(self._most * _EARLIEST)
        """Up to this many held frames the next fragment may be one of the last two."""
        self._blocks: list[Samples] = []
        self._held = 0

    def feed(self, block: Samples) -> list[Samples]:
        """Take more of the recording and return the fragments that are complete, possibly none."""
        self._blocks.append(block)
        self._held += len(block)
        if self._held <= self._enough:
            return []
        held, fragments = np.concatenate(self._blocks), list[Samples]()
        while len(held) > self._enough:
            place = self._most if self._fixed else self._place(held, int(self._most * _EARLIEST), self._most)
            fragments.append(held[:place])
            held = held[place:]
        self._blocks, self._held = [held], len(held)
        return fragments

    def finish(self) -> list[Samples]:
        """Return the last fragments, unless all were returned."""
        if not self._held:
            return []
        held, self._blocks, self._held = np.concatenate(self._blocks), [], 0
        if len(held) <= self._most:
            return [held]
        first = max(int(len(held) * _LEAST_OF_REST), len(held) - self._most)
        last = min(len(held) - int(len(held) * _LEAST_OF_REST), self._most)
        place = self._place(held, first, last)
        return [held[:place], held[place:]]

    def _place(self, held: Samples, first: int, last: int) -> int:
        return first + quiet_place(held[first:last], self._rate_hz)


def pieces(pcm: bytes, rate_hz: int, longest_s: float) -> Iterator[tuple[int, bytes]]:
    """Cut s16le into pieces of about the same length, each at most ``longest_s`` long and cut where it is quiet.

    Yields the first sample's index and the piece; drops half a sample at the end, and yields one empty piece for no
    samples.
    """
    samples = np.frombuffer(pcm, "<i2", len(pcm) // 2)
    most, start = int(longest_s * rate_hz), 0
    while len(samples) - start > most:
        left = len(samples) - start
        count = -(-left // most)
        last = start + left // count
        first = max(start + left - (count - 1) * most, last - _LOOK_S * rate_hz)
        end = first + quiet_place(samples[first:last].reshape(-1, 1), rate_hz)
        yield start, pcm[2 * start : 2 * end]
        start = end
    yield start, pcm[2 * start : 2 * len(samples)]


def quiet_place(samples: Samples, rate_hz: int) -> int:
    """Return the middle of the quietest 100 ms of ``samples``; of equally quiet ones the last.

    ``samples`` have the shape (frames, channels); for less than 105 ms their middle is returned.
    """
    step = max(1, rate_hz * _STEP_MS // 1000)
    whole = len(samples) // step * step
    width = _QUIET_MS // _STEP_MS
    if whole <= width * step:
        return len(samples) // 2
    mono = samples[:whole].astype(np.float64).sum(axis=1)
    powers = (mono**2).reshape(-1, step).sum(axis=1)
    sums = np.cumsum(np.concatenate([[0.0], powers]))
    windows = sums[width:] - sums[:-width]
    last = len(windows) - 1 - int(np.argmin(windows[::-1]))
    return last * step + width * step // 2
