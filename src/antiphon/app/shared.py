"""What the processes of a fleet share: in one process its own memory, else Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from antiphon.app.settings import Settings
from antiphon.bus.embedded import EmbeddedBus
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.clock import Clock
from antiphon.errors import InvalidRequest, ProviderUnavailable
from antiphon.jobs.audio import JobAudio
from antiphon.observe.metrics import Metrics
from antiphon.observe.tasks import unattended
from antiphon.ports.blobs import Blobs
from antiphon.ports.breakers import Breakers
from antiphon.ports.bus import Bus
from antiphon.ports.sessions import Sessions
from antiphon.ports.uses import Uses
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.embedded_breakers import EmbeddedBreakers
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.store.blobs import FileBlobs
from antiphon.wire.jobs import Queue

_OWN_PIPE_BYTES, _REDIS_PIPE_BYTES = 384 * 2**10, 2**20
"""Results that may wait for one session, and stay for whoever takes it up: 8 and 22 s of speech.

A client that does not read holds its workers back; in one process that is memory of the gateway itself.
"""
_REDIS_BLOBS_BYTES = 256 * 2**20
"""Most audio of jobs that lies in Redis for one tenant at a time."""
_CLEAN_S = 60.0
_DEPTH_S = 5.0
_MIRROR_S = 1.0
"""So long the mirror waits for Redis before it drops what it had to say."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shared:
    """The bus, the sessions, and the circuits of the services that engines call."""

    bus: Bus
    sessions: Sessions
    streams: Sessions | None
    """Where the streams of dubbing are, for other gateways; None where there are none."""
    breakers: Breakers
    circuits: CircuitWatch
    """What this process knows of the circuits."""
    uses: Uses
    """How often client secrets were used."""
    depth: Callable[[Queue], Awaitable[int]]
    has_room: Callable[[], bool] = lambda: True
    """False while new sessions would soon take what those that live need."""
    watch_room: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Keeps `has_room` up to date, endlessly; None where there is nothing to watch."""
    checks: Callable[[], dict[str, bool]] = dict[str, bool]
    """What of it can be used at the moment, by name."""
    audio: JobAudio | None = None
    """Keeps the audio of large jobs; None where jobs are handed over as they are."""

    async def watch_queues(self, metrics: Metrics, queues: Sequence[Queue]) -> None:
        """Keep the gauges of these queues up to date, endlessly."""
        depths: dict[Queue, int] = dict.fromkeys(queues, 0)
        for queue in queues:
            metrics.watch_queue(queue, partial(depths.__getitem__, queue))
        while True:
            for queue in queues:
                try:
                    depths[queue] = await self.depth(queue)
                except ProviderUnavailable as error:
                    _log.warning("a queue cannot be counted", queue=queue, error=str(error))
            await asyncio.sleep(_DEPTH_S)


@asynccontextmanager
async def shared(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncGenerator[Shared]:
    """Open what the settings name, and close it. Raises `ProviderUnavailable` where Redis does not answer."""
    watch = CircuitWatch(metrics.circuit, clock=clock, open_s=settings.breaker_open_s)
    if settings.redis_mirror and not settings.redis_url:
        variable = "ANTIPHON_REDIS_MIRROR"
        raise InvalidRequest(f"{variable} is true, and there is no ANTIPHON_REDIS_URL to publish on", param=variable)
    if settings.redis_url:
        async with _over_redis(settings, clock, watch, metrics) as made:
            yield made
    else:
        yield _in_memory(settings, clock, watch)


def _in_memory(settings: Settings, clock: Clock, watch: CircuitWatch) -> Shared:
    queues = QueueLimit(settings.bus_lease_s, settings.bus_attempts)
    bus = EmbeddedBus(clock, queues, PipeLimit(_OWN_PIPE_BYTES), strict=settings.bus_strict)
    sessions = EmbeddedSessions(clock, resume_window_s=settings.resume_window_s, liveness_s=settings.session_liveness_s)

    async def depth(queue: Queue) -> int:
        return bus.depth(queue)

    breakers = EmbeddedBreakers(_breaker_rule(settings), clock, watch)
    return Shared(bus, sessions, None, breakers, watch, EmbeddedUses(clock), depth)


def _breaker_rule(settings: Settings) -> BreakerRule:
    return BreakerRule(
        failures=settings.breaker_failures,
        open_s=settings.breaker_open_s,
        slow_s=settings.breaker_slow_s,
        probe_s=2 * settings.provider_timeout_s,  # each step of a call may take so long, and many take two
    )


@asynccontextmanager
async def _over_redis(
    settings: Settings, clock: Clock, watch: CircuitWatch, metrics: Metrics
) -> AsyncGenerator[Shared]:
    try:
        from antiphon.bus.redis.bus import RedisBus
        from antiphon.bus.redis.mirrored import MirroredBus
        from antiphon.connections.redis import RedisConnection
        from antiphon.connections.redis_memory import MemoryWatch
        from antiphon.connections.redis_mirror import RedisMirror
        from antiphon.state.redis.blobs import RedisBlobs
        from antiphon.state.redis.breakers import RedisBreakers
        from antiphon.state.redis.mirrored import MirroredSessions
        from antiphon.state.redis.sessions import RedisSessions
        from antiphon.state.redis.uses import RedisUses
    except ModuleNotFoundError as error:
        variable = "ANTIPHON_REDIS_URL"
        raise InvalidRequest(
            f"{variable} is set, and the client of Redis is missing: pip install 'antiphon[fleet]'", param=variable
        ) from error
    url = settings.redis_url.get_secret_value()
    connection = RedisConnection(url, most=settings.redis_connections, patience_s=settings.redis_patience_s)
    mirror = None
    audio = _job_audio(settings, RedisBlobs(connection, tenant_bytes=_REDIS_BLOBS_BYTES), clock)
    cleaning = unattended(audio.run(_CLEAN_S), name="expired audio of jobs")
    limits = QueueLimit(settings.bus_lease_s, settings.bus_attempts), PipeLimit(_REDIS_PIPE_BYTES)
    windows: dict[str, Any] = {"resume_window_s": settings.resume_window_s, "liveness_s": settings.session_liveness_s}
    if settings.redis_mirror:
        mirror = RedisMirror(RedisConnection(url, most=2, patience_s=_MIRROR_S), clock, metrics.mirror_dropped)
        mirror.start()
        bus = MirroredBus(connection, mirror, *limits, audio=audio)
        sessions = MirroredSessions(connection, mirror, **windows)
    else:
        bus, sessions = RedisBus(connection, *limits, audio=audio), RedisSessions(connection, **windows)
    try:
        await bus.start()
        memory = MemoryWatch(connection, metrics.redis_memory)
        await memory.start()
        streams = RedisSessions(
            connection,
            resume_window_s=settings.dubbing_resume_s,
            liveness_s=settings.session_liveness_s,
            kind="stream",
        )
        breakers = RedisBreakers(connection, _breaker_rule(settings), clock, watch)
        yield Shared(
            bus,
            sessions,
            streams,
            breakers,
            watch,
            RedisUses(connection),
            bus.depth,
            lambda: memory.has_room,
            memory.run,
            lambda: {"redis": connection.reachable_since is not None},
            audio,
        )
    finally:
        cleaning.cancel()
        if mirror is not None:
            await mirror.close()
        await connection.close()


def _job_audio(settings: Settings, blobs: Blobs, clock: Clock) -> JobAudio:
    """Return what keeps the audio of jobs: ``blobs``, and for more than those take the folder of the settings."""
    path = settings.blobs_path
    large = path and FileBlobs(path.expanduser(), tenant_bytes=settings.blobs_max_mib * 2**20, clock=clock)
    return JobAudio(blobs, clock, large=large)
