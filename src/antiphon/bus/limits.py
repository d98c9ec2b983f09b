"""Capacity of a bus, and rules of delivery."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.wire.jobs import Work

_UNLIMITED = 2**53
"""As many as the numbers of Lua can count."""


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """Capacity of a queue, and how its jobs are delivered."""

    lease_s: float
    """A job without a heartbeat for this long is delivered again; while Redis is unavailable, no time counts."""
    attempts: int
    """Deliveries of a job before it becomes a dead letter."""
    held: int = 10_000
    """Maximum number of jobs in one queue: waiting ones, and over Redis also running ones."""
    dead_letters: int = 1000
    """Approximate number of dead letters kept (over Redis: per queue); the oldest are dropped first."""

    def attempts_of(self, kind: type[Work]) -> int:
        """Return the deliveries of a job of this kind before it becomes a dead letter."""
        return self.attempts if kind.has_last_attempt else _UNLIMITED


@dataclass(frozen=True, slots=True)
class PipeLimit:
    """Capacity of one pipe; entries that were read count until they are dropped."""

    bytes: int
    entries: int = 1024
