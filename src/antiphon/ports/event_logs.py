"""Named logs of events, each read by consumer groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from antiphon.entities.events import DeadEvent, Delivery, Event, GroupLag, Log

MOST_BYTES = 2**20
"""Maximum size of an event's payload."""


class Subscription(Protocol):
    """One consumer of a group.

    Of all consumers of a group one is active: it takes events in the order of the log, and the others get none. It
    stays active until it leaves, or has made no call for the length of the lease. Then another one becomes active and
    is given all events that were not acknowledged, oldest first, before new ones. Calls about deliveries raise
    `LeaseLost` when another consumer is active, all calls `ProviderUnavailable` while the logs are away.
    """

    async def take(self, limit: int) -> Sequence[Delivery]:
        """Return at most ``limit`` events that are due, oldest first; none if there are none or another is active.

        If it fails or is cancelled after the logs have counted events as taken, a later call returns them.

        An event that was delivered twice without an outcome comes alone: if it kills its consumer, no other event is
        blamed.
        """
        ...

    async def renew(self) -> None:
        """Stay active during long work."""
        ...

    async def acknowledge(self, positions: Collection[str]) -> None:
        """Note that these events are processed; positions that are not pending are ignored."""
        ...

    async def postpone(self, position: str, delay_s: float) -> None:
        """Deliver an event again after a delay; later events are delivered meanwhile."""
        ...

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Move an event to the dead ones."""
        ...

    async def leave(self) -> None:
        """Let another consumer become active at once, or this one begin again; idempotent.

        Events that were taken and not settled are delivered again, also to this consumer, even if this fails.
        """
        ...


class EventLogs(Protocol):
    """The logs. Methods raise `ProviderUnavailable` while they are away."""

    async def publish(self, log: Log, events: Sequence[Event]) -> None:
        """Append events in order; they survive the process when this returns.

        An event whose id is in the log is left out. Acknowledged events are kept up to the capacity of the log, others
        are never dropped. Raises `Overloaded` if a log is full of events that a group has not acknowledged, and
        `InvalidRequest` for a payload above `MOST_BYTES`; then nothing is appended.
        """
        ...

    def subscribe(self, log: Log, group: str, consumer: str) -> Subscription:
        """Return a consumer of a group; ``group`` is one of `GROUPS`."""
        ...

    async def lags(self) -> Sequence[GroupLag]:
        """Return how far every group is behind."""
        ...

    async def tail(self, log: Log, after: str = "", limit: int = 100) -> Sequence[Delivery]:
        """Return the events behind a position, oldest first; without one, the newest ``limit``."""
        ...

    async def dead(self, limit: int = 100) -> Sequence[DeadEvent]:
        """Return the dead events, oldest first."""
        ...

    async def retry(self, dead_ids: Collection[str]) -> int:
        """Deliver dead events to their group again; return how many there were. Raises `Overloaded`."""
        ...
