"""Capacity of the logs, and rules of delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest, Overloaded
from antiphon.ports.event_logs import MOST_BYTES

SUSPECT = 2
"""An event that was delivered so often without an outcome comes alone from then on."""
MOST_DUE = 1_000
"""Most postponed events that one `take` looks at."""


@dataclass(frozen=True, slots=True)
class LogLimit:
    """Capacity of a log, and the lease of a group's active consumer."""

    lease_s: float = 5.0
    """A consumer that made no call for this long is no longer active."""
    capacity: int = 100_000
    """Events in a log: acknowledged ones are dropped beyond it, and without room no event is taken."""
    dead: int = 10_000
    """Dead events; the oldest are dropped beyond it."""


def check(events: Sequence[Event]) -> None:
    """Raise `InvalidRequest` for an event that no log takes."""
    for event in events:
        if not event.event_id:
            raise InvalidRequest("an event has no id", param="event_id", code="event_refused")
        if len(event.payload) > MOST_BYTES:
            message = f"the payload of event {event.event_id} has more than {MOST_BYTES} bytes"
            raise InvalidRequest(message, param="payload", code="event_too_large")


def full(log: str, capacity: int) -> Overloaded:
    """Return the error of a log without room."""
    return Overloaded(f"{log} holds {capacity} events that a group has not acknowledged", code="log_full")
