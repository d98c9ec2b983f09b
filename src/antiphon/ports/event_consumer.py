"""What a worker does with events of a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from antiphon.entities.events import Event


class EventHandler(Protocol):
    """Processes events of one consumer group."""

    async def __call__(self, events: Sequence[Event]) -> None:
        """Process events in order, all or none of them: an event that comes again must change nothing.

        Raises `Transient`: all are tried again, for ever. Raises `Permanent`: each is tried alone, and one that raises
        it then becomes a dead event.
        """
        ...
