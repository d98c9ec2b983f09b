"""Options as tests need them, where the product's come from its settings."""

from __future__ import annotations

from antiphon.bus.embedded import EmbeddedBus
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.clock import Clock, SystemClock
from antiphon.workers.settle import WorkerOptions
from antiphon.workers.verdict import RetryRule


def worker_options(*, attempts: int = 3, heartbeat_s: float = 1.0) -> WorkerOptions:
    return WorkerOptions(RetryRule(attempts), heartbeat_s)


def queue_limit(*, lease_s: float = 5.0, attempts: int = 3, held: int = 10_000) -> QueueLimit:
    return QueueLimit(lease_s, attempts, held)


def pipe_limit(*, entries: int = 1024, bytes: int = 4 * 2**20) -> PipeLimit:  # noqa: A002 -- the field's name
    return PipeLimit(bytes, entries)


def embedded_bus(
    clock: Clock | None = None,
    *,
    lease_s: float = 5.0,
    attempts: int = 3,
    held: int = 10_000,
    pipe_entries: int = 1024,
    strict: bool = False,
) -> EmbeddedBus:
    queues = queue_limit(lease_s=lease_s, attempts=attempts, held=held)
    return EmbeddedBus(clock or SystemClock(), queues, pipe_limit(entries=pipe_entries), strict=strict)
