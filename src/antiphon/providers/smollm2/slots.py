"""Assigns conversations to slots: each to the slot that has most of it in its cache."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

Message = Mapping[str, str]


class Slots:
    """The slots of a server, each with the texts of its last prompt. Thread-safe.

    The server itself would compare beginnings, which all conversations share and which are cut first.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = list(range(count))
        """Least recently used first."""
        self._texts: list[frozenset[str]] = [frozenset()] * count

    def take(self, messages: Sequence[Message]) -> int:
        """Take the free slot whose last prompt has most of ``messages``, the least recently used among equals.

        A slot must be free.
        """
        texts = frozenset(message["content"] for message in messages if message["role"] != "system")
        with self._lock:
            slot = max(self._free, key=lambda free: len(texts & self._texts[free]))
            self._free.remove(slot)
            self._texts[slot] = texts
            return slot

    def give_back(self, slot: int) -> None:
        """Free the slot."""
        with self._lock:
            self._free.append(slot)
