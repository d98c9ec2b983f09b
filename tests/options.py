"""Options as tests need them, where the product's come from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from antiphon.bus.embedded import EmbeddedBus
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.clock import Clock, SystemClock
from antiphon.conversation.state import Rules as SessionRules
from antiphon.doors.websocket.session_options import SessionLimits
from antiphon.dubbing.backpressure import Thresholds
from antiphon.dubbing.fit import Limits
from antiphon.dubbing.pipeline import PipelineRules
from antiphon.dubbing.state import Rules
from antiphon.workers.completion import WorkerOptions
from antiphon.workers.retry_policy import RetryRule


def worker_options(*, attempts: int = 3, heartbeat_s: float = 1.0) -> WorkerOptions:
    return WorkerOptions(RetryRule(attempts), heartbeat_s)


def thresholds() -> Thresholds:
    return Thresholds(3, 6, 10, 10)


def stream_rules(**given: Any) -> Rules:
    fields = {"thresholds": thresholds(), "gap_s": None, "fragments_per_min": 0, "capabilities": "both", **given}
    return Rules(**fields)


def fit_limits(**given: Any) -> Limits:
    return Limits(**{"success_max": 0.1, "partial_max": 0.2, "only_speed_up": True, **given})


def pipeline_rules(**given: Any) -> PipelineRules:
    times = {"asr_s": 5.0, "translation_s": 5.0, "tts_s": 10.0}
    return PipelineRules(
        **{**times, "limits": fit_limits(), "fallback": "silence", "drop_speaker_labels": False, **given}
    )


def session_rules(**given: Any) -> SessionRules:
    ways = {"image_hosts": (), "pace": False, "truncate_wait_s": 2.0, "speculate_ms": 0}
    bounds = {"max_items": 2000, "max_buffer_s": 600.0, "job_timeout_s": 0.0}
    return SessionRules(**{**ways, **bounds, "apology": "", **given})


def link_limits(**given: Any) -> SessionLimits:
    bounds = {"max_frame_bytes": 21 * 2**20, "max_append_bytes": 15 * 2**20, "max_queue_bytes": 128 * 2**10}
    paces = {"stall_s": 5.0, "events_per_s": 1000}
    return SessionLimits(**{"spill_dir": Path("nothing is spilled"), **bounds, **paces, **given})


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
