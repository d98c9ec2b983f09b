"""How much decoded audio may wait for the workers at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from antiphon.errors import Overloaded


class ByteBudget:
    """Bytes that are held for requests under way, at most ``limit_bytes`` of them; one alone always fits."""

    def __init__(self, limit_bytes: int = 512 * 2**20) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def hold(self, size_bytes: int) -> Generator[None]:
        """Count ``size_bytes`` as long as the context lasts. Raises `Overloaded` when there is no room."""
        if self.held_bytes and self.held_bytes + size_bytes > self._limit_bytes:
            raise Overloaded("Too much audio waits to be transcribed; try again soon.")
        self.held_bytes += size_bytes
        try:
            yield
        finally:
            self.held_bytes -= size_bytes
