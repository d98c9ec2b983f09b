"""Options and services of the dubbing door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from antiphon.clock import Clock
from antiphon.doors.access.authentication import Access
from antiphon.doors.dubbing.ownership import StreamOwnership
from antiphon.dubbing.state import Rules
from antiphon.dubbing.voices import VoiceProfile
from antiphon.entities.history import Unit
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.ports.artifacts import Artifacts
from antiphon.ports.limiter import Limiter
from antiphon.wire.dubbing_client import StreamConfig


class DubbingRefusal(Exception):
    """Raised when a stream cannot begin."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class DubbingOptions:
    """Configuration of the door."""

    rules: Rules
    mode: Literal["full", "echo"]
    needs_key: bool
    """False admits clients without a key, even if other doors need one."""
    max_connections: int
    connections_per_key: int
    """Applies if keys are configured; all clients without a key count as one key."""
    ping_interval_s: float
    ping_timeout_s: float
    idle_s: float
    """Idle timeout of a connection without a stream."""
    close_s: float
    """Delay from the completion of a stream to the closing of its connection."""
    stall_s: float
    """Longest time that a client may stop reading before it is disconnected."""
    resume_s: float
    """How long a stream without a connection is kept, in seconds."""
    handshake_s: float
    """Upper bound of the handshake, including the CONNECT packet."""
    polling: bool
    """False admits WebSockets only."""


@dataclass(frozen=True, slots=True)
class DubbingServices:
    """Services that the process provides."""

    access: Access
    job_client: JobClient
    clock: Clock
    metrics: Metrics
    dubbing_metrics: DubbingMetrics
    judge: Callable[[StreamConfig], VoiceProfile]
    """Returns the voice of a stream. Raises `DubbingRefusal` for unsupported languages and voices."""
    record: Callable[[Unit], None]
    """Writes rows of the history; returns at once."""
    ownership: StreamOwnership
    artifacts: Artifacts
    limiter: Limiter
