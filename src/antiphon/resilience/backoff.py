"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with full jitter, so that clients that failed together do not retry together."""

    base_s: float = 0.1
    """Longest wait after the first attempt."""
    cap_s: float = 5.0
    """Longest wait after any attempt."""

    def delay_s(self, attempt: int, uniform: Callable[[], float]) -> float:
        """Return the wait after the ``attempt``-th failure, from 1; ``uniform`` yields 0 to 1."""
        doublings = min(max(0, attempt - 1), 60)  # beyond that a float overflows
        return uniform() * min(self.cap_s, self.base_s * 2.0**doublings)
