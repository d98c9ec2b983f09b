"""What the REST doors need: put together once, handed to every handler through the application's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from litestar import Request
from litestar.datastructures import State

from antiphon.clock import Clock
from antiphon.desk import Desk
from antiphon.doors.auth import Access, Identity
from antiphon.doors.budget import ByteBudget
from antiphon.doors.ephemeral import EphemeralSecrets
from antiphon.entities.capabilities import Capabilities
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Limiter
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate

RestRequest = Request[None, None, State]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process should be sent work."""

    ready: bool
    draining: bool = False
    checks: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """What readiness depends on, by name."""


@dataclass(frozen=True, slots=True)
class RestServices:
    """Everything the REST doors use."""

    desk: Desk
    access: Access
    ephemeral: EphemeralSecrets
    clock: Clock
    metrics: Metrics
    engines: Mapping[str, Capabilities]
    """By kind: ``stt``, ``llm``, ``tts``, ``translation``, ``vad``, ``end_of_turn``; a missing one is not offered."""
    readiness: Callable[[], Readiness]
    describe_session: Callable[[AnySessionUpdate], AnySession]
    """Makes a client's wish into the whole configuration of a new session. Raises `InvalidRequest`."""
    version: str
    limiter: Limiter | None = None
    allowed_origins: tuple[str, ...] = ()
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Uploads decoded at a time: the other threads stay free for what somebody listens to."""
    waiting_audio: ByteBudget = field(default_factory=ByteBudget)


def services_of(request: RestRequest) -> RestServices:
    """Return the services of the application that ``request`` came to."""
    return request.app.state.services


def identity_of(request: RestRequest) -> Identity:
    """Return who the guard let in."""
    return request.scope["state"]["identity"]


def correlation_of(request: RestRequest) -> str:
    """Return the id of this request, as its answer's ``x-request-id`` says it."""
    return request.scope["state"]["request_id"]
