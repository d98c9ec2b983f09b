"""Memory for decoded audio that waits for the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from antiphon.errors import Overloaded
from antiphon.ports.limiter import Account

WAITING_BYTES = 512 * 2**20
"""Decoded audio of all uploads."""


class ByteBudget:
    """Bounds the bytes held for requests in progress; a single request always fits."""

    def __init__(self, limit_bytes: int, *, most_per_account: int) -> None:
        """``most_per_account`` bounds the requests of one key, so that room is left for other keys."""
        self._limit_bytes = limit_bytes
        self._most_per_account = most_per_account
        self._held: Counter[Account] = Counter()

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._held.total()

    @contextmanager
    def hold(self, account: Account, size_bytes: int = 0) -> Generator[Callable[[int], None]]:
        """Hold ``size_bytes`` during the context; the yielded function adds more.

        Both raise `Overloaded` when there is no room.
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
