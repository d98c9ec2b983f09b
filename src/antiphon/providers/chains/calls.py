"""One call of a failover chain: which engines are still to be asked, and how the one at work is doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from antiphon.clock import Clock
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Ticket


class EngineCall:
    """One call of one engine: whether it gave a first result, and how long that took beyond ``extra_s``."""

    def __init__(self, clock: Clock, extra_s: float) -> None:
        self._clock = clock
        self._extra_s = extra_s
        self._since: float | None = None
        self._first_s: float | None = None

    @property
    def delivered(self) -> bool:
        """True when a result was given out."""
        return self._first_s is not None

    def begin(self) -> None:
        """The call begins now."""
        self._since = self._clock.now()

    def deliver(self) -> None:
        """A result is given out."""
        if self._first_s is None:
            self._first_s = self.first_s()

    def first_s(self) -> float:
        """Return how long the first result took, or how long it is awaited; 0 before the call has begun."""
        if self._first_s is not None or self._since is None:
            return self._first_s or 0.0
        return max(0.0, self._clock.now() - self._since - self._extra_s)


class CallQueue:
    """The engines of a call that are still to be asked. Whoever is looked at is admitted, and comes next."""

    def __init__(self, order: Sequence[int], admit: Callable[[int], Awaitable[Ticket | None]]) -> None:
        self._left = list(order)
        self._admit = admit
        self._ready: tuple[int, Ticket | None] | None = None

    def __bool__(self) -> bool:
        return bool(self._left) or self._ready is not None

    async def has_next(self) -> bool:
        """Say whether another engine may be asked: its circuit lets the call through."""
        while self._ready is None and self._left:
            index = self._left.pop(0)
            with suppress(ProviderUnavailable):  # its circuit is open
                self._ready = index, await self._admit(index)
        return self._ready is not None

    async def next(self) -> tuple[int, Ticket | None] | None:
        """Return the next engine, and the ticket of its call; None when there is none left."""
        await self.has_next()
        turn, self._ready = self._ready, None
        return turn
