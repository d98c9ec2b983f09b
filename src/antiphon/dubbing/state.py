"""The state of a stream. Times are seconds of a monotonic clock."""

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
    """Configuration, the same for all streams."""

    thresholds: Thresholds
    gap_s: float | None
    """How long a missing fragment holds up later ones; None means the stream's own timeout, at most 8 s."""
    fragments_per_min: int
    """Most fragments of a stream per minute; 0 means no limit."""
    capabilities: Literal["both", "array", "object"]
    """Form of the capabilities in ``stream:ready``: an array, an object, or both in two fields."""
    keep_results: int = 64
    keep_bytes: int = 16 * 2**20
    keep_s: float = 300.0
    """Limits of the results that are kept for fragments that are sent again: count, bytes of audio, age."""


class Flight(Struct):
    """A fragment that was accepted but not delivered yet."""

    fragment_id: str
    sequence: int
    job_id: str
    since: float
    due: float
    """When it times out."""
    audio_ms: int
    is_retry: bool = False
    """True if its number was passed already: its result is delivered out of order."""
    counted_as: FragmentProcessed | None = None
    """The result of this session that its own replaces."""
    result: FragmentProcessed | None = None
    """Set while the fragment waits for its predecessors."""
    audio_bytes: int = 0
    """Length of its dubbed audio."""


class Remembered(Struct):
    """A result that was delivered, or that arrived while the connection was lost."""

    result: FragmentProcessed
    counted_in: str
    """The session whose statistics include it; empty if it was not delivered."""
    job_id: str
    """Identifies its audio."""
    audio_bytes: int
    """0 without audio."""
    at: float


class State(Struct):
    """A whole stream."""

    seed: str
    phase: Phase = "initializing"
    init: StreamInit | None = None
    session_id: str = ""
    counter: int = 0
    expected: int = 0
    """The sequence number that is delivered next."""
    base_open: bool = False
    """True after the stream was resumed, until its first fragment sets where it continues."""
    gap_since: float | None = None
    flights: dict[str, Flight] = msgspec.field(default_factory=dict[str, Flight])
    """By fragment."""
    orphans: dict[str, Flight] = msgspec.field(default_factory=dict[str, Flight])
    """Fragments of a lost connection whose jobs continue, by fragment."""
    memory: dict[str, Remembered] = msgspec.field(default_factory=dict[str, Remembered])
    """By fragment, the oldest first."""
    band: int = 0
    """The band of `Thresholds` that was announced last."""
    accepted: int = 0
    accepted_at: list[float] = msgspec.field(default_factory=list[float])
    """Times in the last minute, if fragments are limited."""
    simulation: tuple[SimulationRule, ...] = ()
    tally: Tally = msgspec.field(default_factory=Tally)

    @property
    def stream_id(self) -> str:
        """The worker's name of the stream; empty before it has begun."""
        return self.init.stream_id if self.init else ""

    @property
    def timeout_s(self) -> float:
        """The worker's timeout of a fragment."""
        return self.init.timeout_ms / 1000 if self.init else 0.0

    @property
    def max_inflight(self) -> int:
        """The worker's own window, for information."""
        return self.init.max_inflight if self.init else 0
