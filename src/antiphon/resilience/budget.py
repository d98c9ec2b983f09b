"""How many retries a process may afford: a service that fails for all must not be asked three times by all."""

from __future__ import annotations


class RetryBudget:
    """Retries as a share of what succeeds, with a reserve for quiet times. Decisions without I/O.

    Every success earns ``share`` of a retry, up to ``reserve``, which it begins with. While everything works each
    failure may be tried again; when nothing does, the reserve is all there is.
    """

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._left = reserve

    def earn(self) -> None:
        """Something has succeeded."""
        self._left = min(self._reserve, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry; False where there is none left."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
