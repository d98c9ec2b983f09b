"""The value that a stream is. Times are seconds of a clock that only goes forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from antiphon.dubbing.backpressure import Thresholds
from antiphon.dubbing.tally import Tally
from antiphon.wire.dubbing_client import SimulationRule, StreamInit
from antiphon.wire.dubbing_server import FragmentProcessed

Phase = Literal["initializing", "ready", "paused", "ending", "completed"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the server was configured to do; the same for all its streams."""

    thresholds: Thresholds
    gap_s: float | None
    """How long a missing fragment holds up those behind it; None is the stream's own timeout, at most 8 s."""
    fragments_per_min: int
    """Most fragments of a stream in a minute; 0 is no limit."""
    capabilities: Literal["both", "array", "object"]
    """How ``stream:ready`` says what the service can: an array, an object, or the array with the object beside it."""
    keep_results: int = 64
    keep_bytes: int = 16 * 2**20
    keep_s: float = 300.0
    """So many results, with so much audio, are kept for so long, for fragments that are sent again."""


class Flight(Struct):
    """A fragment that was accepted and whose result was not delivered yet."""

    fragment_id: str
    sequence: int
    job_id: str
    since: float
    due: float
    """When it is given up."""
    audio_ms: int
    is_retry: bool = False
    """True where its number has been passed already: its result waits for no other."""
    counted_as: FragmentProcessed | None = None
    """The result of this session that it replaces."""
    result: FragmentProcessed | None = None
    """Set once it is there: then the fragment waits for its predecessors."""
    audio_bytes: int = 0
    """Length of its dubbed audio."""


class Remembered(Struct):
    """A result that was delivered, or would have been if the worker had been there."""

    result: FragmentProcessed
    counted_in: str
    """The session whose statistics it is in; empty where it was not delivered."""
    job_id: str
    """Where its audio lies."""
    audio_bytes: int
    """0 where there is none."""
    at: float


class State(Struct):
    """A whole stream."""

    seed: str
    phase: Phase = "initializing"
    init: StreamInit | None = None
    session_id: str = ""
    counter: int = 0
    expected: int = 0
    """The number that is delivered next."""
    base_open: bool = False
    """True after a stream was taken up again, until its first fragment has said where it goes on."""
    gap_since: float | None = None
    flights: dict[str, Flight] = msgspec.field(default_factory=dict[str, Flight])
    """By fragment."""
    orphans: dict[str, Flight] = msgspec.field(default_factory=dict[str, Flight])
    """Fragments of a lost connection that are still worked on, by fragment."""
    memory: dict[str, Remembered] = msgspec.field(default_factory=dict[str, Remembered])
    """By fragment, the oldest first."""
    band: int = 0
    """Of `Thresholds`: the one that was told last."""
    accepted: int = 0
    accepted_at: list[float] = msgspec.field(default_factory=list[float])
    """Of the last minute, where fragments are limited."""
    simulation: tuple[SimulationRule, ...] = ()
    tally: Tally = msgspec.field(default_factory=Tally)

    @property
    def stream_id(self) -> str:
        """As the worker calls it; empty before it has."""
        return self.init.stream_id if self.init else ""

    @property
    def timeout_s(self) -> float:
        """How long the worker waits for a fragment."""
        return self.init.timeout_ms / 1000 if self.init else 0.0

    @property
    def max_inflight(self) -> int:
        """What the worker advises itself."""
        return self.init.max_inflight if self.init else 0
