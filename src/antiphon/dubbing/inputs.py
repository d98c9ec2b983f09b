"""Inputs of the stream machine: from its worker, from jobs, and from the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, StageTimings, Status
from antiphon.wire.dubbing_client import ErrorSimulation, StreamCommand, StreamInit


@dataclass(frozen=True, slots=True)
class Begun:
    """The worker begins the stream, or resumes it on a new connection."""

    init: StreamInit
    session_id: str
    expected: int | None = None
    """The number that is delivered next, if the stream was resumed from another gateway."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The worker sends a fragment."""

    payload: object
    """As received, but without audio that could be decoded."""
    wall_ms: int
    """Time of day, milliseconds since the epoch, UTC."""
    audio: int | None = None
    """Number under which the driver holds the audio; None if it could not be decoded."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The worker pauses."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Resumed:
    """The worker ends its pause."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has sent its last fragment."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Done:
    """A job has ended, well or badly. The driver holds its audio under the job's id."""

    job_id: str
    status: Status
    audio_bytes: int = 0
    transcript: str | None = None
    translated_text: str | None = None
    timings: StageTimings = field(default_factory=StageTimings)
    error: ProcessingError | None = None
    warnings: tuple[str, ...] = ()
    metadata: FragmentMetadata | None = None


@dataclass(frozen=True, slots=True)
class Simulated:
    """Echo mode: new rules for simulated errors."""

    simulation: ErrorSimulation


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection was lost."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


Input = Begun | Offered | Paused | Resumed | Ended | Done | Simulated | Lost | Ticked
