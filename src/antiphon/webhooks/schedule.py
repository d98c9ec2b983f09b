"""When a webhook is sent again, and when it has failed for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["delivered", "gone", "failed"]

STEPS_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Longest wait after the 1st, 2nd … failure; the last one after all others."""
MOST_WAIT_S = STEPS_S[-1]
_JITTER = 0.2
"""Share of a wait that is random, so that events that failed together are not sent together again."""


def outcome_of(status: int) -> Outcome:
    """Return what an answer means. A redirect is not followed: it may lead out of the allow-list."""
    if 200 <= status < 300:
        return "delivered"
    return "gone" if status == 410 else "failed"


def wait_s(failures: int, retry_after_s: float | None, uniform: float) -> float:
    """Return the wait after the ``failures``-th failure, from 1; ``uniform`` is from 0 to 1.

    It is at least what the endpoint asks for, but never longer than an hour.
    """
    step = STEPS_S[min(max(failures, 1), len(STEPS_S)) - 1]
    own = step * (1.0 - _JITTER * uniform)
    return min(MOST_WAIT_S, max(own, retry_after_s or 0.0))


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long an event is tried."""

    retry_s: float
    """Seconds after the log took it."""

    def is_over(self, published_at: float, now: float) -> bool:
        """Return whether an attempt that is made now is the last one."""
        return now >= published_at + self.retry_s

    def next_s(self, published_at: float, now: float, due_at: float) -> float | None:
        """Return the seconds from ``now`` to the next attempt, which is wanted at ``due_at``; None: it has failed.

        The last attempt is made at the deadline.
        """
        if self.is_over(published_at, now):
            return None
        return max(0.0, min(due_at, published_at + self.retry_s) - now)
