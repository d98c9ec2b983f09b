"""The outbox: events that are committed with the rows that they are about, until a log has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from antiphon.entities.events import Log, PendingEvent


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The undelivered events of one log."""

    log: Log
    count: int
    oldest_s: float
    """Age of the oldest, seconds; 0 without one."""


class Outbox(Protocol):
    """Events of all tenants. Any number of processes may do the same work at the same time.

    Methods raise `ProviderBusy` or `ProviderUnavailable` while the database is locked or away.
    """

    async def pending_events(self, log: Log, limit: int) -> Sequence[PendingEvent]:
        """Return at most ``limit`` events that are due, in the order of their rows.

        Call it until it returns nothing, and never by the last row seen: a lower one may be committed later.
        """
        ...

    async def pending_of(self, log: Log, sessions: Collection[tuple[str, str]], limit: int) -> Sequence[PendingEvent]:
        """Return at most ``limit`` events of these sessions (tenant and id), due or not, by their numbers."""
        ...

    async def delivered_until(self, log: Log, sessions: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the highest delivered sequence number of each session (tenant and id) that has one."""
        ...

    async def mark_delivered(self, row_ids: Collection[int]) -> None:
        """Take these events out of the outbox; they are removed when they are old."""
        ...

    async def mark_refused(self, row_ids: Collection[int]) -> None:
        """Take these events out of the outbox, as no log will ever take them."""
        ...

    async def postpone(self, delays_s: Sequence[tuple[int, float]]) -> None:
        """Make each of these rows due again after its delay, and count that."""
        ...

    async def undelivered(self) -> Sequence[Undelivered]:
        """Return what is undelivered in each log, due or not."""
        ...
