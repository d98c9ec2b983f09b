"""Effects of the stream machine: events to send, jobs to start and to cancel."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from antiphon.wire.dubbing_client import FragmentData
from antiphon.wire.dubbing_server import FragmentProcessed


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event."""

    name: str
    payload: Struct


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send a result with its audio."""

    result: FragmentProcessed
    audio: str
    """The job that made the audio; empty if there is none."""
    again: bool = False
    """True if the fragment was delivered or counted before."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the job of a fragment."""

    job_id: str
    fragment: FragmentData
    audio: int
    """Number under which the driver holds the audio."""
    begins_ms: int
    """Its position in the stream."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Release the audio of a job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """Disconnect after a delay: the stream is complete."""


Effect = Send | Deliver | Start | Cancel | Forget | Close
