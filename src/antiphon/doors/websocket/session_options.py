"""Services and limits of sessions over WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from antiphon.clock import Clock
from antiphon.doors.websocket.large_events import LARGE_AT_ONCE
from antiphon.entities.history import Unit
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Bus
from antiphon.ports.limiter import Limiter
from antiphon.ports.vad import VoiceActivity


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits of one connection."""

    spill_dir: Path
    """Folder for audio that exceeds the limit in memory."""
    max_frame_bytes: int
    max_append_bytes: int
    max_queue_bytes: int
    stall_s: float
    events_per_s: int


@dataclass(frozen=True, slots=True)
class SessionServices:
    """The services that a session uses."""

    bus: Bus
    vad: VoiceActivity
    clock: Clock
    limiter: Limiter
    record: Callable[[Unit], None]
    """Writes rows of the history; returns at once."""
    job_timeout_s: float
    metrics: Metrics
    large_events: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    """Admits events that are processed in slices."""
