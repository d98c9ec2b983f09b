"""Services of the REST routes: created once, passed to every handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from antiphon.clock import Clock
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.http.in_flight_bytes import ByteBudget
from antiphon.entities.capabilities import Capabilities
from antiphon.jobs.client import JobClient
from antiphon.observe.metrics import Metrics
from antiphon.ports.decoder import Decoder
from antiphon.ports.limiter import Limiter
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate


@dataclass(frozen=True, slots=True)
class RestServices:
    """Everything that the REST routes use."""

    job_client: JobClient
    decoder: Decoder
    access: Access
    ephemeral: EphemeralSecrets
    clock: Clock
    metrics: Metrics
    engines: Mapping[str, Capabilities]
    """By kind: ``stt``, ``llm``, ``tts``, ``translation``, ``vad``, ``end_of_turn``, ``embedding``; a
    missing kind is not offered."""
    describe_session: Callable[[AnySessionUpdate], AnySession]
    """Returns the whole configuration of a new session for a client's request. Raises `InvalidRequest`."""
    waiting_audio: ByteBudget
    has_room: Callable[[], bool] = lambda: True
    """False while new work would take the room of live sessions."""
    limiter: Limiter | None = None
    speech_voice: str = ""
    """Voice of a request that names none; empty for the engine's default."""
    speech_speed: float = 1.0
    """Speed of a request that names none."""
