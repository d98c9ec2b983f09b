"""The one place that knows which adapter stands behind which port."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon.app.asgi import Doors
from antiphon.app.dubbing import dubber, dubbing_door
from antiphon.app.engines import Engines, make_engines
from antiphon.app.roles import ALL, Role, Roles, engine_kinds
from antiphon.app.settings import Settings
from antiphon.app.shared import Shared, shared
from antiphon.clock import Clock, SystemClock
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.desk import Desk
from antiphon.doors.auth import Access
from antiphon.doors.connection import Attendance
from antiphon.doors.dubbing import PATH as SOCKET_IO
from antiphon.doors.dubbing import DubbingDoor
from antiphon.doors.dubbing_places import Places
from antiphon.doors.ephemeral import EphemeralSecrets, load_secret_key
from antiphon.doors.interpreting import InterpretingDoor
from antiphon.doors.realtime import RealtimeDoor, RealtimeOptions
from antiphon.doors.realtime_link import LinkLimits, LinkServices
from antiphon.doors.rest import API_ROUTES, OPERATION_ROUTES, build_rest
from antiphon.doors.services import Readiness, RestServices
from antiphon.errors import InvalidRequest
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.artifacts import Artifacts
from antiphon.ports.bus import Bus
from antiphon.ports.store import Store
from antiphon.store.artifacts import FileArtifacts, NullArtifacts
from antiphon.store.queued import QueuedStore
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from antiphon.version import VERSION
from antiphon.wire.jobs import Queue
from antiphon.wire.realtime_server import Leg
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate
from antiphon.workers import loop
from antiphon.workers.persist import Persister
from antiphon.workers.respond import Responder
from antiphon.workers.score import Scorer
from antiphon.workers.settle import WorkerOptions
from antiphon.workers.speak import Speaker
from antiphon.workers.transcribe import Transcriber
from antiphon.workers.translate import Translator
from antiphon.workers.verdict import RetryRule

_BATCHES_AT_ONCE = 8
"""So many batches of rows a process writes to the database in one go."""
_CLEAN_S = 300.0
"""Between two looks for artifacts that are too old or too many."""
_RESULT_MARGIN_S = 5.0
"""Beyond the deadline of an engine's call: so late a conversation gives a job up that nobody else has."""


@dataclass(slots=True)
class Platform:
    """A running process: its parts, and the ASGI app in front of them."""

    settings: Settings
    roles: Roles
    engines: Engines
    shared: Shared
    store: Store
    writer: StoreWriter
    """Takes the rows of this process's conversations: to the database, or to the queue of those who persist."""
    database: StoreWriter
    """Writes to the database itself; the same as `writer` in a process that shares nothing."""
    metrics: Metrics
    access: Access
    attendance: Attendance
    realtime: RealtimeDoor
    dubbing: DubbingDoor
    artifacts: Artifacts
    places: Places
    desk: Desk
    app: Callable[[Any, Any, Any], Awaitable[None]]
    is_draining: bool = False
    stop_work: asyncio.Event = field(default_factory=asyncio.Event)
    work: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def bus(self) -> Bus:
        """What carries jobs and their results."""
        return self.shared.bus

    def legs(self) -> dict[Leg, bool]:
        """Return what conversations stand on besides engines, and whether it works."""
        has_redis = self.shared.checks().get("redis", True)
        is_full = self.writer.is_failing and has_redis  # else it is Redis that does not take the rows
        return {"redis": has_redis, "database": not (self.database.is_failing or is_full)}

    @property
    def writers(self) -> tuple[StoreWriter, ...]:
        """Return both, or the one."""
        return (self.writer,) if self.writer is self.database else (self.writer, self.database)

    async def drain(self) -> None:
        """Stop taking work; return when what is under way has ended, or its time is over."""
        self.is_draining = True
        until = time.monotonic() + self.settings.drain_s
        drain_s = self.settings.drain_s
        await asyncio.gather(self.attendance.drain(drain_s), self.dubbing.drain(drain_s))
        self.stop_work.set()
        if self.work:
            await asyncio.wait(self.work, timeout=max(0.0, until - time.monotonic()))


@asynccontextmanager
async def platform(settings: Settings, clock: Clock | None = None, *, roles: Roles = ALL) -> AsyncGenerator[Platform]:
    """Start everything one process needs, and end it in the reverse order. Raises `AntiphonError`."""
    if roles != ALL and not settings.redis_url:
        variable = "ANTIPHON_REDIS_URL"
        raise InvalidRequest(f"{variable} is not set: without it one process runs all roles.", param=variable)
    clock = clock or SystemClock()
    metrics = Metrics()
    async with shared(settings, clock, metrics) as own:
        made = _make(settings, clock, make_engines(settings, own.breakers), own, metrics, roles)
        if roles & {"gateway", "persist"}:
            await made.store.start()
        try:
            await made.engines.start(engine_kinds(roles))
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(writer.run(), name="store writer") for writer in made.writers]
                if "gateway" in roles:
                    helpers.append(group.create_task(made.realtime.keep_alive(), name="signs of life"))
                    helpers.append(group.create_task(made.realtime.watch_taken(), name="taken sessions"))
                    helpers.append(group.create_task(made.realtime.watch_legs(made.legs), name="legs"))
                    helpers.append(group.create_task(made.realtime.clear_up(), name="expired sessions"))
                    helpers.append(group.create_task(made.artifacts.run(_CLEAN_S), name="old artifacts"))
                    helpers.append(group.create_task(made.places.run(), name="places of streams"))
                handlers = _handlers(settings, made, clock)
                watch = own.watch_queues(made.metrics, tuple(queue for queue, _, _ in handlers))
                helpers.append(group.create_task(watch, name="queue depths"))
                for queue, handler, concurrency in handlers:
                    work = _worker(settings, made, clock, queue, handler, concurrency)
                    made.work.append(group.create_task(work, name=f"{queue} worker"))
                try:
                    yield made
                finally:
                    await made.dubbing.close()
                    for work in made.work:  # what is at work is given back while there is a bus to take it
                        work.cancel()
                    await asyncio.gather(*made.work, return_exceptions=True)
                    await made.writer.drain()  # rows of the queue that are not written yet are in the queue
                    await own.bus.close()
                    for helper in helpers:
                        helper.cancel()
        finally:
            await made.engines.close()
            await made.store.close()


def _make(settings: Settings, clock: Clock, engines: Engines, own: Shared, metrics: Metrics, roles: Roles) -> Platform:
    bus = own.bus
    sqlite = SqliteStore(_database(settings))
    database = StoreWriter(sqlite, metrics=metrics)
    store: Store = QueuedStore(bus, sqlite) if settings.redis_url else sqlite
    writer = StoreWriter(store, metrics=metrics) if settings.redis_url else database
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
    realtime = RealtimeDoor(access, services, own.sessions, metrics, options, attendance)
    interpreting = InterpretingDoor(access, services, metrics, options, attendance)

    desk = Desk(bus, clock, timeout_s=settings.speech_timeout_s)
    artifacts = _artifacts(settings, clock)
    places = Places(
        own.streams, _gateway_id(), heartbeat_s=settings.session_liveness_s / 3, sweep_s=settings.session_sweep_s
    )
    dubbing = dubbing_door(settings, engines, roles, access, desk, clock, metrics, artifacts, places)

    def readiness() -> Readiness:
        checks = {"engines": True, **own.checks()}
        ready = not made.is_draining and all(checks.values())
        return Readiness(ready=ready, draining=made.is_draining, checks=checks)

    is_gateway = "gateway" in roles

    def describe_session(wish: AnySessionUpdate) -> AnySession:
        return describe(wish, options.defaults, now=clock.wall())

    rest = build_rest(
        RestServices(
            desk=desk,
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
        ),
        API_ROUTES if is_gateway else OPERATION_ROUTES,
    )
    sockets = {"/v1/realtime": realtime, "/v1/realtime/translations": interpreting, SOCKET_IO: dubbing}
    app = Doors(rest, sockets, {SOCKET_IO: dubbing}) if is_gateway else Doors(rest, {}, {})
    made = Platform(
        settings=settings,
        roles=roles,
        engines=engines,
        shared=own,
        store=store,
        writer=writer,
        database=database,
        metrics=metrics,
        access=access,
        attendance=attendance,
        realtime=realtime,
        dubbing=dubbing,
        artifacts=artifacts,
        places=places,
        desk=desk,
        app=app,
    )
    return made


def _artifacts(settings: Settings, clock: Clock) -> Artifacts:
    """Return where dubbed fragments are kept."""
    is_production = bool(settings.api_keys or settings.redis_url)
    capture = settings.dubbing_artifacts
    if not settings.dubbing_keeps_artifacts:
        return NullArtifacts()
    return FileArtifacts(
        (settings.dubbing_artifacts_path or settings.data_dir / "artifacts").expanduser(),
        capture="metadata" if capture == "metadata" or (capture == "auto" and is_production) else "media",
        max_age_s=settings.dubbing_artifacts_hours * 3600,
        max_count=settings.dubbing_artifacts_max_count,
        clock=clock,
    )


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
            patience_s=settings.provider_timeout_s + _RESULT_MARGIN_S,
            apology=settings.realtime_apology,
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
        heartbeat_s=settings.session_liveness_s / 3,
        sweep_s=settings.session_sweep_s,
        resumes=settings.resume_window_s > 0,
        gateway_id=_gateway_id(),
    )


def _gateway_id() -> str:
    return f"gateway-{socket.gethostname()}-{os.getpid()}"


def _handlers(settings: Settings, made: Platform, clock: Clock) -> list[tuple[Queue, loop.Handler, int]]:
    """Return what this process works on: queue, handler, jobs at a time."""
    engines = made.engines
    handlers: dict[Role, tuple[Queue, loop.Handler, int]] = {
        "transcribe": ("transcribe", Transcriber(engines.stt).handle, settings.stt_workers),
        "respond": ("respond", Responder(engines.llm).handle, settings.llm_workers),
        "speak": ("speak", Speaker(engines.tts, settings.realtime_delta_ms).handle, settings.tts_workers),
        "translate": ("translate", Translator(engines.translation).handle, 1),
        "score": ("score", Scorer(engines.end_of_turn).handle, 1),
        "persist": ("persist", Persister(made.database.write).handle, _BATCHES_AT_ONCE),
        "dub": ("dub", dubber(settings, made.desk, clock).handle, settings.dub_workers),
    }
    is_shared = made.writer is not made.database
    return [work for role, work in handlers.items() if role in made.roles and (is_shared or role != "persist")]


async def _worker(
    settings: Settings, made: Platform, clock: Clock, queue: Queue, handler: loop.Handler, concurrency: int
) -> None:
    await loop.run(
        made.bus,
        queue,
        handler,
        f"{queue}-{socket.gethostname()}-{os.getpid()}",
        concurrency=concurrency,
        options=WorkerOptions(retry=RetryRule(attempts=settings.bus_attempts), heartbeat_s=settings.bus_lease_s / 3),
        clock=clock,
        metrics=made.metrics,
        stop=made.stop_work,
    )
