"""Failover: which engine of a chain to call, and after which failures to call the next. No I/O."""

from __future__ import annotations

from antiphon.errors import ProviderRejected, RateLimited, Transient, Unsupported

_MOVES_ON = (Transient, ProviderRejected, Unsupported)
"""Failures of the engine. A failure of the request (`InvalidRequest`) would repeat everywhere."""


def moves_on(error: Exception, *, delivered: bool) -> bool:
    """Say whether another engine may be called after ``error``.

    Never after a first result was ``delivered`` that the other engine could not continue.
    """
    return not delivered and isinstance(error, _MOVES_ON)


class Failover:
    """The order in which the engines of a chain are called.

    An engine that failed rests: 1 s, doubled with each failure in a row up to ``longest_rest_s``, or as long
    as it requested; never longer than a circuit stays open, or its probe would come late. While it rests it is
    called after all others, so that a dead service costs one timeout, not one per call; a success ends its rest.
    """

    def __init__(self, size: int, *, longest_rest_s: float = 30.0) -> None:
        self._longest_rest_s = longest_rest_s
        self._failures = [0] * size
        self._rests_until = [float("-inf")] * size

    def order(self, now: float, leader: int | None = None) -> list[int]:
        """Return all positions: available engines, then resting ones; in each group ``leader``, then as configured."""
        positions = range(len(self._failures))
        return sorted(positions, key=lambda index: (self._rests_until[index] > now, index != leader, index))

    def failed(self, index: int, error: Exception, now: float) -> None:
        """Record a failure. An engine that does not support one request (`Unsupported`) does not rest."""
        if isinstance(error, Unsupported):
            return
        self._failures[index] += 1
        rest_s = min(2.0 ** (self._failures[index] - 1), self._longest_rest_s)
        if isinstance(error, RateLimited):
            rest_s = min(max(rest_s, error.retry_after_s), self._longest_rest_s)
        self._rests_until[index] = now + rest_s

    def succeeded(self, index: int) -> None:
        """Record a success."""
        self._failures[index] = 0
        self._rests_until[index] = float("-inf")
