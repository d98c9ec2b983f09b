"""What a stream is told: by its worker, by those who do the fragments, by the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, StageTimings, Status
from antiphon.wire.dubbing_client import ErrorSimulation, StreamCommand, StreamInit


@dataclass(frozen=True, slots=True)
class Begun:
    """The worker begins the stream, or takes it up again on a new connection."""

    init: StreamInit
    session_id: str
    expected: int | None = None
    """The number that was to be delivered next at another gateway, where one had the stream before."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The worker sends a fragment."""

    payload: object
    """As it came, but for its audio: that was taken out where it could be decoded."""
    wall_ms: int
    """Time of day, milliseconds since the epoch, UTC."""
    audio: int | None = None
    """Number under which its audio lies at the door; None where none could be decoded."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The worker pauses."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Resumed:
    """The worker goes on."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has sent all."""

    command: StreamCommand


@dataclass(frozen=True, slots=True)
class Done:
    """A fragment was worked on to an end, good or bad. Its audio lies at the door, under the job's id."""

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
    """Echo mode: new rules of failure."""

    simulation: ErrorSimulation


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


Input = Begun | Offered | Paused | Resumed | Ended | Done | Simulated | Lost | Ticked
