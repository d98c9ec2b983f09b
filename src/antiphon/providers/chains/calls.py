"""One call of a failover chain: the engines that remain to be tried, and the progress of the current one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from antiphon.clock import Clock
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Ticket


class EngineCall:
    """One call of one engine: whether its first result came, and how long that took beyond ``extra_s``."""

    def __init__(self, clock: Clock, extra_s: float) -> None:
        self._clock = clock
        self._extra_s = extra_s
        self._since: float | None = None
        self._first_s: float | None = None

    @property
    def delivered(self) -> bool:
        """True when a result was delivered."""
        return self._first_s is not None

    def begin(self) -> None:
        """Mark the start of the call."""
        self._since = self._clock.now()

    def deliver(self) -> None:
        """Mark the delivery of a result."""
        if self._first_s is None:
            self._first_s = self.first_s()

    def first_s(self) -> float:
        """Return how long the first result took, or has been awaited so far; 0 before the call begins."""
        if self._first_s is not None or self._since is None:
            return self._first_s or 0.0
        return max(0.0, self._clock.now() - self._since - self._extra_s)


class CallQueue:
    """The engines that a call may still try. `has_next` admits the next one and holds it for `next`."""

    def __init__(self, order: Sequence[int], admit: Callable[[int], Awaitable[Ticket | None]]) -> None:
        self._left = list(order)
        self._admit = admit
        self._ready: tuple[int, Ticket | None] | None = None

    def __bool__(self) -> bool:
        return bool(self._left) or self._ready is not None

    async def has_next(self) -> bool:
        """Return whether another engine can be tried: its circuit admits the call."""
        while self._ready is None and self._left:
            index = self._left.pop(0)
            with suppress(ProviderUnavailable):  # its circuit is open
                self._ready = index, await self._admit(index)
        return self._ready is not None

    async def next(self) -> tuple[int, Ticket | None] | None:
        """Return the position of the next engine and the ticket of its call; None when no engine is left."""
        await self.has_next()
        admitted, self._ready = self._ready, None
        return admitted
