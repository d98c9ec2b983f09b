"""What the REST doors need: put together once, handed to every handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from antiphon.clock import Clock
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.rest.in_flight_bytes import ByteBudget
from antiphon.entities.capabilities import Capabilities, EngineState
from antiphon.jobs.client import JobClient
from antiphon.observe.metrics import Metrics
from antiphon.ports.decoder import Decoder
from antiphon.ports.limiter import Limiter
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process should be sent work."""

    ready: bool
    draining: bool = False
    checks: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """What readiness depends on, by name."""
    engines: Mapping[str, Mapping[str, EngineState]] = field(default_factory=dict[str, Mapping[str, EngineState]])
    """Of each kind that this process loads, how each engine is."""
    services: Mapping[str, bool | None] = field(default_factory=dict[str, bool | None])
    """Whether remote engines were well when they were last asked; readiness does not depend on it."""


@dataclass(frozen=True, slots=True)
class RestServices:
    """Everything the REST doors use."""

    desk: JobClient
    decoder: Decoder
    access: Access
    ephemeral: EphemeralSecrets
    clock: Clock
    metrics: Metrics
    engines: Mapping[str, Capabilities]
    """By kind: ``stt``, ``llm``, ``tts``, ``translation``, ``vad``, ``end_of_turn``; a missing one is not offered."""
    readiness: Callable[[], Awaitable[Readiness]]
    describe_session: Callable[[AnySessionUpdate], AnySession]
    """Makes a client's wish into the whole configuration of a new session. Raises `InvalidRequest`."""
    version: str
    waiting_audio: ByteBudget
    has_room: Callable[[], bool] = lambda: True
    """False while new work would take the room that sessions need which live."""
    limiter: Limiter | None = None
    speech_voice: str = ""
    """Of a request to speak that names none; empty is the engine's own."""
    speech_speed: float = 1.0
    """Of a request to speak that names none."""
