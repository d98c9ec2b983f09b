"""The one place that knows which adapter stands behind which port."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from antiphon.app.asgi import Doors
from antiphon.app.dubbing import dubber, dubbing_door
from antiphon.app.engines import Engines, make_engines
from antiphon.app.readiness import Health
from antiphon.app.roles import ALL, Role, Roles, engine_kinds
from antiphon.app.service_checks import ServiceChecks
from antiphon.app.settings import Settings
from antiphon.app.shared import Shared, shared
from antiphon.clock import Clock, SystemClock
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets, load_secret_keys
from antiphon.doors.access.cors import Cors
from antiphon.doors.dubbing.endpoint import PATH as SOCKET_IO
from antiphon.doors.dubbing.endpoint import DubbingDoor
from antiphon.doors.dubbing.stream_ownership import Places
from antiphon.doors.realtime.endpoint import RealtimeDoor, RealtimeOptions
from antiphon.doors.rest.app import API_ROUTES, METHODS, OPERATION_ROUTES, build_rest
from antiphon.doors.rest.in_flight_bytes import WAITING_BYTES, ByteBudget
from antiphon.doors.rest.services import Readiness, RestServices
from antiphon.doors.translation.endpoint import InterpretingDoor
from antiphon.doors.translation.session import TranslationOptions
from antiphon.doors.websocket.connection import Attendance
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_options import LinkLimits, LinkServices
from antiphon.errors import InvalidRequest
from antiphon.jobs.client import Desk
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.artifacts import Artifacts
from antiphon.ports.bus import Bus
from antiphon.ports.engine import Engine
from antiphon.ports.store import Store
from antiphon.providers.decoding.decoders import Decoders
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
_WITH_STORE = frozenset({"gateway", "persist"})
"""Roles that open the database."""
_CLEAN_S = 300.0
"""Between two looks for artifacts that are too old or too many."""
_MOST_SPEED = 1.5
"""Of a session's speech; a client that sends its session back must not be refused for it."""
_RECORDINGS = 4
"""So many recordings are at work for each utterance: they take turns, so that a long one holds up no other."""
_CHECK_S = 5.0
"""Longest that a service may take to say how it is."""
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
    decoders: Decoders
    checks: ServiceChecks
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
        made = _make(settings, clock, make_engines(settings, own.breakers, metrics.other_voice), own, metrics, roles)
        if roles & _WITH_STORE:
            await made.store.start()
        try:
            await made.engines.start(engine_kinds(roles))
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(writer.run(), name="store writer") for writer in made.writers]
                if "gateway" in roles:
                    if own.watch_room is not None:
                        helpers.append(group.create_task(own.watch_room(), name="room for sessions"))
                    helpers.append(group.create_task(made.realtime.keep_alive(), name="signs of life"))
                    helpers.append(group.create_task(made.realtime.watch_taken(), name="taken sessions"))
                    helpers.append(group.create_task(made.realtime.watch_legs(made.legs), name="legs"))
                    helpers.append(group.create_task(made.realtime.clear_up(), name="expired sessions"))
                    helpers.append(group.create_task(made.artifacts.run(_CLEAN_S), name="old artifacts"))
                    helpers.append(group.create_task(made.places.run(), name="places of streams"))
                if roles & {"gateway", "dub"}:
                    helpers.append(group.create_task(made.decoders.run(), name="decoders"))
                helpers.append(group.create_task(made.checks.run(), name="checks of services"))
                handlers = _handlers(settings, made, clock)
                watch = own.watch_queues(made.metrics, tuple(one.queue for one in handlers))
                helpers.append(group.create_task(watch, name="queue depths"))
                for one in handlers:
                    work = _worker(settings, made, clock, one)
                    made.work.append(group.create_task(work, name=f"{one.queue} worker"))
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
                    await made.decoders.close()
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
    ephemeral = EphemeralSecrets(*load_secret_keys(settings.data_dir, configured))
    keys = [key.get_secret_value() for key in settings.api_keys]
    access = Access(keys, ephemeral, clock, allowed_origins=settings.allowed_origins)
    options = _realtime_options(settings, engines)
    services = LinkServices(bus, engines.vad, clock, limiter, writer.put, settings.provider_timeout_s, metrics)
    most_per_key = min(settings.max_connections_per_key, access.share(settings.max_connections))
    most_per_key = None if access.is_open else most_per_key
    attendance = Attendance(
        clock, metrics, most=settings.max_connections, most_per_key=most_per_key, has_room=own.has_room
    )
    usage = SecretUsage(own.uses)
    realtime = RealtimeDoor(access, services, own.sessions, metrics, options, attendance, usage)
    translation = TranslationOptions(options.limits, options.rules.max_buffer_s, options.defaults.lasts_s)
    interpreting = InterpretingDoor(access, services, metrics, translation, attendance, usage)

    desk = Desk(bus, clock, timeout_s=settings.speech_timeout_s)
    decoders = Decoders()
    artifacts = _artifacts(settings, clock)
    places = Places(
        own.streams,
        _gateway_id(),
        heartbeat_s=settings.session_liveness_s / 3,
        sweep_s=settings.session_sweep_s,
        has_room=own.has_room,
    )
    dubbing = dubbing_door(settings, engines, roles, access, desk, clock, metrics, artifacts, places)

    service_checks = ServiceChecks(
        lambda: engines.services(engine_kinds(roles)),
        period_s=settings.service_check_s,
        timeout_s=min(_CHECK_S, settings.provider_timeout_s),
        on_seen=metrics.service,
    )

    is_gateway = "gateway" in roles
    has_store = bool(roles & _WITH_STORE)

    def other_checks() -> dict[str, bool]:
        return {**own.checks(), **({"database": not made.database.is_failing} if has_store else {})}

    health = Health(engines, engine_kinds(roles), own.circuits.refuses, store if has_store else None, other_checks)

    async def readiness() -> Readiness:
        return replace(await health.look(draining=made.is_draining), services=service_checks.seen)

    def describe_session(wish: AnySessionUpdate) -> AnySession:
        return describe(wish, options.defaults, now=clock.wall())

    rest = build_rest(
        RestServices(
            desk=desk,
            decoder=decoders,
            access=access,
            ephemeral=ephemeral,
            clock=clock,
            metrics=metrics,
            engines=engines.capabilities,
            readiness=readiness,
            describe_session=describe_session,
            has_room=own.has_room,
            version=VERSION,
            speech_voice=settings.speech_voice,
            speech_speed=settings.speech_speed,
            limiter=limiter,
            waiting_audio=ByteBudget(WAITING_BYTES, most_per_account=access.share(WAITING_BYTES)),
        ),
        API_ROUTES if is_gateway else OPERATION_ROUTES,
    )
    sockets = {"/v1/realtime": realtime, "/v1/realtime/translations": interpreting, SOCKET_IO: dubbing}
    doors = Doors(rest, sockets, {SOCKET_IO: dubbing}) if is_gateway else Doors(rest, {}, {})
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
        decoders=decoders,
        checks=service_checks,
        app=Cors(doors, access, METHODS),
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
        max_bytes=settings.dubbing_artifacts_max_mib * 2**20,
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
            image_hosts=tuple(host.lower() for host in settings.realtime_image_hosts),
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
            speed=min(settings.speech_speed, _MOST_SPEED),
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


class _Work(NamedTuple):
    """What this process works on."""

    queue: Queue
    handler: loop.Handler
    slots: int
    """Jobs at a time."""
    patient_slots: int = 0


def _handlers(settings: Settings, made: Platform, clock: Clock) -> list[_Work]:
    engines = made.engines

    def slots(engine: Engine, local: int) -> int:
        return max(local, settings.service_calls) if engine.capabilities.is_remote else local

    utterances = slots(engines.stt, settings.stt_workers)
    recordings = slots(engines.stt, settings.stt_workers * _RECORDINGS)
    # an answer has its voice while it is written, and an engine that speaks bounds its sentences itself
    spoken = max(settings.tts_workers, settings.service_calls)
    handlers: dict[Role, _Work] = {
        "transcribe": _Work("transcribe", Transcriber(engines.stt).handle, utterances, recordings),
        "respond": _Work("respond", Responder(engines.llm).handle, slots(engines.llm, settings.llm_workers)),
        "speak": _Work("speak", Speaker(engines.tts, settings.realtime_delta_ms).handle, spoken),
        "translate": _Work("translate", Translator(engines.translation).handle, slots(engines.translation, 1)),
        "score": _Work("score", Scorer(engines.end_of_turn).handle, slots(engines.end_of_turn, 1)),
        "persist": _Work("persist", Persister(made.database.write).handle, _BATCHES_AT_ONCE),
        "dub": _Work("dub", dubber(settings, made.desk, made.decoders, clock).handle, settings.dub_workers),
    }
    is_shared = made.writer is not made.database
    return [work for role, work in handlers.items() if role in made.roles and (is_shared or role != "persist")]


async def _worker(settings: Settings, made: Platform, clock: Clock, work: _Work) -> None:
    await loop.run(
        made.bus,
        work.queue,
        work.handler,
        f"{work.queue}-{socket.gethostname()}-{os.getpid()}",
        concurrency=work.slots,
        patient=work.patient_slots,
        options=WorkerOptions(retry=RetryRule(attempts=settings.bus_attempts), heartbeat_s=settings.bus_lease_s / 3),
        clock=clock,
        metrics=made.metrics,
        stop=made.stop_work,
    )
