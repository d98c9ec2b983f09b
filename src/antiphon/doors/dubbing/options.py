"""What the dubbing door is made with: how it behaves, and what it needs of its process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from antiphon.clock import Clock
from antiphon.doors.access.authentication import Access
from antiphon.doors.dubbing.ownership import StreamOwnership
from antiphon.dubbing.state import Rules
from antiphon.dubbing.voices import VoiceProfile
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.ports.artifacts import Artifacts
from antiphon.ports.limiter import Limiter
from antiphon.wire.dubbing_client import StreamConfig


class DubbingRefusal(Exception):
    """A stream that cannot begin."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class DubbingOptions:
    """How the door behaves."""

    rules: Rules
    mode: Literal["full", "echo"]
    needs_key: bool
    """False lets workers in that send no key, also where other doors ask for one."""
    max_connections: int
    connections_per_key: int
    """Where keys are configured; workers without one count as one key together."""
    ping_interval_s: float
    ping_timeout_s: float
    idle_s: float
    """A connection without a stream that sends nothing for so long is closed."""
    close_s: float
    """Between the end of a stream and the end of its connection."""
    stall_s: float
    """How long a client may not read before it is cut off."""
    resume_s: float
    """How long a stream without a connection is kept."""
    handshake_s: float
    """Longest handshake; a greeting may take no longer either."""
    polling: bool
    """False lets workers in by WebSocket alone."""


@dataclass(frozen=True, slots=True)
class DubbingServices:
    """What the door needs of its process."""

    access: Access
    job_client: JobClient
    clock: Clock
    metrics: Metrics
    dubbing_metrics: DubbingMetrics
    judge: Callable[[StreamConfig], VoiceProfile]
    """Returns the voice of a stream. Raises `DubbingRefusal` for languages and voices that there are not."""
    ownership: StreamOwnership
    artifacts: Artifacts
    limiter: Limiter
