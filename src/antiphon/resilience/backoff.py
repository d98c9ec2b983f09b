"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter: many who failed together do not come back together."""

    base_s: float = 0.1
    """Longest wait after the first attempt."""
    cap_s: float = 5.0
    """Longest wait at all."""

    def delay_s(self, attempt: int, uniform: Callable[[], float]) -> float:
        """Return the wait after the ``attempt``-th failure, from 1; ``uniform`` yields 0 to 1."""
        doublings = min(max(0, attempt - 1), 60)  # beyond that a float's exponent would run out
        return uniform() * min(self.cap_s, self.base_s * 2.0**doublings)
