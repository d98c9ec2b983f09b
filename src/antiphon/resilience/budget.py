"""A budget of retries per process: when a service fails for all callers, retries must not multiply its load."""

from __future__ import annotations


class RetryBudget:
    """Retries as a share of what succeeds, with a reserve for quiet times. Decisions without I/O.

    The budget starts with ``reserve``; every success earns ``share`` of a retry, up to ``reserve``. While most calls
    succeed each failure may be retried; while all fail, only the reserve is left.
    """

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._left = reserve

    def earn(self) -> None:
        """Count a success."""
        self._left = min(self._reserve, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry; False when none is left."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
