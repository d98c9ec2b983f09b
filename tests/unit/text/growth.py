"""How the time of a function of texts grows with their length."""

from __future__ import annotations

import time
from collections.abc import Callable

_MARGIN = 4
_SHORT, _LONG = 1_000, 16_000
_SMALLEST_S = 0.0001
"""Shorter times are noise."""


def is_linear(work: Callable[[str], object], mark: str) -> bool:
    """Return whether a text of ``mark`` alone takes time in proportion to its length.

    A text 16 times as long may take 64 times as long; quadratic work takes 256 times.
    """
    short_s, long_s = (_shortest_s(work, mark * (length // len(mark)) + "x") for length in (_SHORT, _LONG))
    return long_s < _MARGIN * _LONG // _SHORT * max(short_s, _SMALLEST_S)


def _shortest_s(work: Callable[[str], object], text: str) -> float:
    times: list[float] = []
    for _ in range(3):
        begin = time.thread_time()
        work(text)
        times.append(time.thread_time() - begin)
    return min(times)
