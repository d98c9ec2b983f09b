"""Selects the parts of a conversation to save: its frame, and new or changed items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from antiphon.conversation.effects import Effect, PersistItem
from antiphon.conversation.snapshot import dump_frame, dump_item
from antiphon.conversation.state import State

_RECENT = 16
"""Number of last items saved every time: their playout changes without a `PersistItem`."""


@dataclass(frozen=True, slots=True)
class CheckpointParts:
    """The parts to save."""

    frame: bytes
    items: dict[str, bytes]
    gone: frozenset[str]


class CheckpointDelta:
    """Tracks which parts of one conversation are saved."""

    __slots__ = ("_saved", "_touched")

    def __init__(self, saved: Iterable[str] = ()) -> None:
        """``saved`` are the ids of items that are saved already."""
        self._saved = set(saved)
        self._touched: set[str] = set()

    def note(self, effects: Iterable[Effect]) -> None:
        """Note which items a step has changed."""
        for effect in effects:
            if isinstance(effect, PersistItem):
                self._touched.add(effect.item_id)

    def take(self, state: State) -> CheckpointParts:
        """Return the parts to save now; call `failed` if saving them fails."""
        records, settled = state.records, len(state.records) - _RECENT
        items: dict[str, bytes] = {}
        present: set[str] = set()
        waiting: set[str] = set()
        for index, record in enumerate(records):
            item_id = str(record.item.id)
            present.add(item_id)
            if record.hearing == "pending":
                waiting.add(item_id)
            if index >= settled or item_id in self._touched or item_id not in self._saved:
                items[item_id] = dump_item(record)
        gone = frozenset(self._saved - present)
        self._saved = present
        self._touched = waiting  # their transcript may come without a `PersistItem`
        return CheckpointParts(dump_frame(state), items, gone)

    def failed(self, parts: CheckpointParts) -> None:
        """Note that these parts were not saved."""
        self._touched.update(parts.items)
        self._saved.update(parts.gone)
