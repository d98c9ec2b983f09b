"""What the REST doors need: put together once, handed to every handler."""

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
    """Everything the REST doors use."""

    job_client: JobClient
    decoder: Decoder
    access: Access
    ephemeral: EphemeralSecrets
    clock: Clock
    metrics: Metrics
    engines: Mapping[str, Capabilities]
    """By kind: ``stt``, ``llm``, ``tts``, ``translation``, ``vad``, ``end_of_turn``; a missing one is not offered."""
    describe_session: Callable[[AnySessionUpdate], AnySession]
    """Makes a client's wish into the whole configuration of a new session. Raises `InvalidRequest`."""
    waiting_audio: ByteBudget
    has_room: Callable[[], bool] = lambda: True
    """False while new work would take the room that sessions need which live."""
    limiter: Limiter | None = None
    speech_voice: str = ""
    """Of a request to speak that names none; empty is the engine's own."""
    speech_speed: float = 1.0
    """Of a request to speak that names none."""
