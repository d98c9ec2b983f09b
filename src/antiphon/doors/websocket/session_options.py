"""What every session over a WebSocket works with, and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from antiphon.clock import Clock
from antiphon.doors.websocket.large_events import LARGE_AT_ONCE
from antiphon.entities.history import StoredItem
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Bus
from antiphon.ports.limiter import Limiter
from antiphon.ports.vad import VoiceActivity


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one connection."""

    spill_dir: Path
    """Folder of the audio for which there is no room in memory."""
    max_frame_bytes: int
    max_append_bytes: int
    max_queue_bytes: int
    stall_s: float
    events_per_s: int


@dataclass(frozen=True, slots=True)
class SessionServices:
    """What a connection works with."""

    bus: Bus
    vad: VoiceActivity
    clock: Clock
    limiter: Limiter
    keep: Callable[[StoredItem], None]
    job_timeout_s: float
    metrics: Metrics
    large_events: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    """Admits the events that are worked on in slices."""
