"""Which slot a conversation goes to: the one that remembers most of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

Message = Mapping[str, str]


class Slots:
    """The slots of a server, each with the memory of its last prompt. Safe among threads.

    Left to itself the server compares beginnings, which all conversations share and which are cut off first.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = list(range(count))
        """The least recently used first."""
        self._texts: list[frozenset[str]] = [frozenset()] * count

    def take(self, messages: Sequence[Message]) -> int:
        """Take the free slot that knows most of ``messages``, else the one that was unused for longest.

        There has to be a free one.
        """
        texts = frozenset(message["content"] for message in messages if message["role"] != "system")
        with self._lock:
            slot = max(self._free, key=lambda free: len(texts & self._texts[free]))
            self._free.remove(slot)
            self._texts[slot] = texts
            return slot

    def give_back(self, slot: int) -> None:
        """Let another conversation have the slot."""
        with self._lock:
            self._free.append(slot)
