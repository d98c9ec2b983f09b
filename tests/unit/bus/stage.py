"""Jobs and queues of one bus, as its unit tests need them."""

from __future__ import annotations

from antiphon.bus.leases import EmbeddedLease
from antiphon.bus.queues import JobQueues
from antiphon.clock import Clock
from antiphon.ports.bus import Share
from antiphon.wire.jobs import Job, Speak
from tests.options import queue_limit


def job(job_id: str, *, priority: int = 0) -> Job:
    return Job(job_id, "speak", Speak("hi"), f"out:{job_id}", priority=priority)


class Queues(JobQueues):
    """Queues that note the jobs which have failed."""

    def __init__(
        self, clock: Clock, *, lease_s: float = 10.0, attempts: int = 3, held: int = 100, strict: bool = False
    ) -> None:
        limit = queue_limit(lease_s=lease_s, attempts=attempts, held=held)
        self.failed: list[tuple[str, int, str]] = []
        super().__init__(clock, limit, self._note, strict=strict)

    def _note(self, failed: Job, reason: str) -> None:
        self.failed.append((failed.id, failed.attempt, reason))

    def lease(self, consumer: str = "w", share: Share = "all") -> EmbeddedLease:
        """Lease the next job, which there has to be."""
        lease = self.take("speak", consumer, share)
        assert lease is not None
        return lease
