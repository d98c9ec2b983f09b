"""How much a bus holds, and how it hands jobs out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """How jobs are handed out."""

    lease_s: float
    """A job without a heartbeat for so long is delivered again; the time in which Redis is away does not count."""
    attempts: int
    """Deliveries of a job before it is a dead letter."""
    held: int = 10_000
    """Most jobs in one queue: those that wait, and over Redis also those at work."""
    dead_letters: int = 1000
    """About so many dead letters are kept, over Redis for each queue; the oldest go first."""


@dataclass(frozen=True, slots=True)
class PipeLimit:
    """How much one pipe holds, read and unread together."""

    bytes: int
    entries: int = 1024
