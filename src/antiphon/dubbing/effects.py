"""What a stream asks for: events to send, fragments to work on."""

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
    """Send a result, with the audio that lies under ``audio`` where one is named."""

    result: FragmentProcessed
    audio: str
    """The job that made it; empty where there is none."""
    again: bool = False
    """True when it was delivered before, or belongs to a fragment that was counted before."""


@dataclass(frozen=True, slots=True)
class Start:
    """Work on a fragment."""

    job_id: str
    fragment: FragmentData
    audio: int
    """Number under which its audio lies at the door."""
    begins_ms: int
    """Where it lies in its stream."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this job any more."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The audio of this job is needed no more."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """The stream is complete: disconnect after a while."""


Effect = Send | Deliver | Start | Cancel | Forget | Close
