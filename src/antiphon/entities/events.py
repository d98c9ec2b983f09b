"""Events: what has happened, for memory, analytics and webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Log = Literal["events.ltm", "events.analytics", "events.plugins"]
"""Name of a log."""

LTM: Final = "events.ltm"
ANALYTICS: Final = "events.analytics"
DEAD: Final = "events.dead"
"""The log of events that a group could not process."""

LTM_WORKERS: Final = "ltm-workers"
ANALYTICS_WORKERS: Final = "a11y-workers"
WEBHOOKS: Final = "webhooks"

GROUPS: dict[Log, tuple[str, ...]] = {
    LTM: (LTM_WORKERS,),
    ANALYTICS: (ANALYTICS_WORKERS, WEBHOOKS),
    "events.plugins": (),
}
"""The logs, and the consumer groups of each: every event of a log is for all of them."""


def log_of(kind: str) -> Log:
    """Return the log of an event's type. The database has the same rule, as a column."""
    return LTM if kind.lower().startswith("ltm") else ANALYTICS


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened, once per ``event_id``."""

    tenant: str
    event_id: str
    type: str
    payload: bytes
    """JSON."""
    created_at: float
    """Seconds since the epoch, UTC."""
    session_id: str = ""
    session_sequence: int = 0
    """Order among the events of its session in the same log, counted from 1 without a gap; 0: no order."""

    @property
    def log(self) -> Log:
        """Name of the log that it goes to."""
        return log_of(self.type)


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event of the outbox that is not delivered yet."""

    row_id: int
    """Order of insertion over all tenants, which is not that of commits: a lower one may appear later."""
    event: Event
    attempts: int
    """How often it was postponed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a consumer has taken from a log."""

    position: str
    """Its place in the log."""
    event: Event
    attempt: int = 1
    """Number of this delivery to the group."""
    published_at: float = 0.0
    """When the log took it, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that a consumer group could not process."""

    dead_id: str
    """Its name among the dead events."""
    log: Log
    group: str
    reason: str
    attempts: int
    at: float
    """Seconds since the epoch."""
    event: Event


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far a consumer group is behind its log."""

    log: Log
    group: str
    unread: int
    """Events that it has not taken yet."""
    pending: int
    """Events that it has taken and not acknowledged."""
    oldest_s: float
    """Seconds since the log took the oldest of both; 0 if there is none."""
