"""The one place that knows which adapter stands behind which port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from antiphon.app.asgi import Doors
from antiphon.app.engines import Engines, make_engines
from antiphon.app.settings import Settings
from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import Clock, SystemClock
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.auth import Access
from antiphon.doors.connection import Attendance
from antiphon.doors.desk import Desk
from antiphon.doors.ephemeral import EphemeralSecrets, load_secret_key
from antiphon.doors.interpreting import InterpretingDoor
from antiphon.doors.realtime import RealtimeDoor, RealtimeOptions
from antiphon.doors.realtime_link import LinkLimits, LinkServices
from antiphon.doors.rest import build_rest
from antiphon.doors.services import Readiness, RestServices
from antiphon.errors import InvalidRequest
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.state.embedded import EmbeddedSessions
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from antiphon.version import VERSION
from antiphon.wire.jobs import Queue
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate
from antiphon.workers import loop
from antiphon.workers.respond import Responder
from antiphon.workers.score import Scorer
from antiphon.workers.settle import WorkerOptions
from antiphon.workers.speak import Speaker
from antiphon.workers.transcribe import Transcriber
from antiphon.workers.translate import Translator
from antiphon.workers.verdict import RetryRule

PIPE_BYTES = 128 * 2**10
"""Results that may wait for one session; a client that does not read holds its workers back."""


@dataclass(slots=True)
class Platform:
    """A running process: its parts, and the ASGI app in front of them."""

    settings: Settings
    engines: Engines
    bus: EmbeddedBus
    store: SqliteStore
    writer: StoreWriter
    metrics: Metrics
    access: Access
    attendance: Attendance
    app: Callable[[Any, Any, Any], Awaitable[None]]
    is_draining: bool = False

    async def drain(self) -> None:
        """Stop taking work; return when what is under way has ended, or its time is over."""
        self.is_draining = True
        await self.attendance.drain(self.settings.drain_s)


@asynccontextmanager
async def platform(settings: Settings, clock: Clock | None = None) -> AsyncGenerator[Platform]:
    """Start everything one process needs, and end it in the reverse order. Raises `AntiphonError`."""
    clock = clock or SystemClock()
    made = _make(settings, clock, make_engines(settings))
    await made.store.start()
    try:
        await made.engines.start()
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(made.writer.run(), name="store writer")
            for queue, work in _workers(settings, made, clock):
                group.create_task(work, name=f"{queue} worker")
            try:
                yield made
            finally:
                await made.bus.close()
                await made.writer.drain()
                writer.cancel()
    finally:
        await made.engines.close()
        await made.store.close()


def _make(settings: Settings, clock: Clock, engines: Engines) -> Platform:
    metrics = Metrics()
    bus = EmbeddedBus(
        clock,
        lease_s=settings.bus_lease_s,
        attempts=settings.bus_attempts,
        pipe_bytes=PIPE_BYTES,
        strict=settings.bus_strict,
    )
    store = SqliteStore(_database(settings))
    writer = StoreWriter(store, metrics=metrics)
    limiter = SlidingWindowLimiter(
        requests=settings.limit_requests_per_min, tokens=settings.limit_tokens_per_min, clock=clock
    )
    configured = settings.secret_key.get_secret_value() if settings.secret_key else None
    ephemeral = EphemeralSecrets(load_secret_key(settings.data_dir, configured))
    keys = [key.get_secret_value() for key in settings.api_keys]
    access = Access(keys, ephemeral, clock, allowed_origins=settings.allowed_origins)
    options = _realtime_options(settings, engines)
    services = LinkServices(bus, engines.vad, clock, limiter, writer.put, settings.provider_timeout_s, metrics)
    attendance = Attendance(clock, metrics, most=settings.max_connections)
    sessions = EmbeddedSessions(clock, resume_window_s=settings.resume_window_s)
    realtime = RealtimeDoor(access, services, sessions, metrics, options, attendance)
    interpreting = InterpretingDoor(access, services, metrics, options, attendance)

    def readiness() -> Readiness:
        return Readiness(ready=not made.is_draining, draining=made.is_draining, checks={"engines": True})

    def describe_session(wish: AnySessionUpdate) -> AnySession:
        return describe(wish, options.defaults, now=clock.wall())

    rest = build_rest(
        RestServices(
            desk=Desk(bus, clock, timeout_s=settings.speech_timeout_s),
            access=access,
            ephemeral=ephemeral,
            clock=clock,
            metrics=metrics,
            engines=engines.capabilities,
            readiness=readiness,
            describe_session=describe_session,
            version=VERSION,
            limiter=limiter,
            allowed_origins=settings.allowed_origins,
        )
    )
    app = Doors(rest, {"/v1/realtime": realtime, "/v1/realtime/translations": interpreting})
    made = Platform(settings, engines, bus, store, writer, metrics, access, attendance, app)
    return made


def _database(settings: Settings) -> Path:
    """Return the file that the database URL names. Raises `InvalidRequest` for a database that is not SQLite."""
    if not settings.database_url:
        return settings.data_dir / "antiphon.db"
    scheme, separator, path = settings.database_url.partition(":///")
    if scheme not in ("sqlite", "sqlite+aiosqlite") or not separator or not path:
        variable = "ANTIPHON_DATABASE_URL"
        raise InvalidRequest(f"{variable}: this version stores in SQLite alone, as sqlite:///PATH", param=variable)
    return Path(path)


def _realtime_options(settings: Settings, engines: Engines) -> RealtimeOptions:
    return RealtimeOptions(
        rules=Rules(
            accepts_images=engines.llm.capabilities.images,
            pace=settings.realtime_pace,
            truncate_wait_s=settings.realtime_truncate_wait_s,
            speculate_ms=settings.realtime_speculate_ms,
            max_items=settings.realtime_max_items,
            max_buffer_s=settings.realtime_max_buffer_s,
        ),
        limits=LinkLimits(
            max_frame_bytes=settings.realtime_max_frame_bytes,
            max_append_bytes=settings.realtime_max_append_bytes,
            max_queue_bytes=settings.realtime_max_queue_bytes,
            stall_s=settings.realtime_stall_s,
            events_per_s=settings.limit_events_per_s,
        ),
        defaults=Defaults(
            model=settings.realtime_model,
            voice=settings.realtime_voice,
            instructions=settings.realtime_instructions,
            lasts_s=settings.realtime_session_s,
        ),
        gateway_id=f"gateway-{os.getpid()}",
    )


def _workers(settings: Settings, made: Platform, clock: Clock) -> list[tuple[Queue, Coroutine[Any, Any, None]]]:
    """Return the worker loops of this process, by their queue."""
    engines = made.engines
    handlers: list[tuple[Queue, loop.Handler, int]] = [
        ("transcribe", Transcriber(engines.stt).handle, settings.stt_workers),
        ("respond", Responder(engines.llm).handle, settings.llm_workers),
        ("speak", Speaker(engines.tts, settings.realtime_delta_ms).handle, settings.tts_workers),
        ("translate", Translator(engines.translation).handle, 1),
        ("score", Scorer(engines.end_of_turn).handle, 1),
    ]
    for queue, _, _ in handlers:
        made.metrics.watch_queue(queue, partial(made.bus.depth, queue))
    options = WorkerOptions(retry=RetryRule(attempts=settings.bus_attempts), heartbeat_s=settings.bus_lease_s / 3)
    return [
        (
            queue,
            loop.run(
                made.bus,
                queue,
                handler,
                f"{queue}-{os.getpid()}",
                concurrency=concurrency,
                options=options,
                clock=clock,
                metrics=made.metrics,
            ),
        )
        for queue, handler, concurrency in handlers
    ]
