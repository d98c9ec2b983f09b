"""A set of names that expire."""

from __future__ import annotations

from antiphon.clock import Clock


class TtlSet:
    """A set of the newest ``limit`` names, each forgotten ``after_s`` seconds after it was added."""

    def __init__(self, clock: Clock, *, after_s: float = 300.0, limit: int = 100_000) -> None:
        self._clock = clock
        self._after_s = after_s
        self._limit = limit
        self._until: dict[str, float] = {}

    def add(self, name: str) -> None:
        """Remember ``name`` from now on; the oldest make room."""
        now = self._clock.now()
        self._until.pop(name, None)  # a name added again moves to the end: the dict stays sorted by time
        self._until[name] = now + self._after_s
        while len(self._until) > self._limit or next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]

    def discard(self, name: str) -> bool:
        """Forget ``name`` and say whether it was remembered."""
        return self._until.pop(name, 0.0) > self._clock.now()

    def __contains__(self, name: str) -> bool:
        until = self._until.get(name)
        return until is not None and until > self._clock.now()

    def __len__(self) -> int:
        return len(self._until)
