"""Use counts of one process, in memory; lost at a restart."""

from __future__ import annotations

from antiphon.clock import Clock, SystemClock

_SWEEP_S = 60.0


class EmbeddedUses:
    """A `Uses` in memory, for one process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._spent: dict[str, tuple[set[str], float]] = {}
        self._next_sweep = 0.0

    async def spend(self, name: str, use: str, most: int, until: float) -> bool:
        """Count a use of ``name``, unless ``most`` others were counted."""
        self._sweep(self._clock.wall())
        spent, _ = self._spent.setdefault(name, (set(), until))
        if use not in spent and len(spent) >= most:
            return False
        spent.add(use)
        return True

    def __len__(self) -> int:
        """Return how many names are counted."""
        return len(self._spent)

    def _sweep(self, now: float) -> None:
        """Forget, once a minute, the counts that have ended."""
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            self._spent = {name: (spent, until) for name, (spent, until) in self._spent.items() if until > now}
