"""How much decoded audio may wait for the workers at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from antiphon.errors import Overloaded
from antiphon.ports.limiter import Account

WAITING_BYTES = 512 * 2**20
"""Decoded audio of all uploads."""


class ByteBudget:
    """Bytes that are held for requests under way, at most so many of them; one request alone always fits."""

    def __init__(self, limit_bytes: int, *, most_per_account: int) -> None:
        """``most_per_account`` is what the requests of one key may hold: room is left for those of others."""
        self._limit_bytes = limit_bytes
        self._most_per_account = most_per_account
        self._held: Counter[Account] = Counter()

    @property
    def held_bytes(self) -> int:
        """What is held at the moment."""
        return self._held.total()

    @contextmanager
    def hold(self, account: Account, size_bytes: int = 0) -> Generator[Callable[[int], None]]:
        """Count ``size_bytes`` as long as the context lasts, and what the function that it gives is called with.

        Raises `Overloaded` when there is no room; so does the function.
        """
        held_bytes = 0

        def grow(more_bytes: int) -> None:
            nonlocal held_bytes
            for in_use, most in ((self.held_bytes, self._limit_bytes), (self._held[account], self._most_per_account)):
                if in_use > held_bytes and in_use + more_bytes > most:
                    raise Overloaded("Too much audio waits to be transcribed; try again soon.")
            held_bytes += more_bytes
            self._held[account] += more_bytes

        try:
            grow(size_bytes)
            yield grow
        finally:
            self._held[account] -= held_bytes
            if not self._held[account]:
                del self._held[account]
