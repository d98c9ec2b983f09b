"""Opens the services that the processes of a fleet share over Redis."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from antiphon.app.settings import Settings
from antiphon.app.shared import Shared, breaker_rule
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.mirrored import MirroredBus
from antiphon.clock import Clock
from antiphon.connections.redis import RedisConnection
from antiphon.connections.redis_memory import MemoryWatch
from antiphon.connections.redis_mirror import RedisMirror
from antiphon.errors import ProviderUnavailable
from antiphon.events.limits import LogLimit
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.jobs.audio import JobAudio
from antiphon.observe.failures import error_fields
from antiphon.observe.metrics import Metrics
from antiphon.ports.blobs import Blobs
from antiphon.resilience.backoff import Backoff
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.redis.blobs import RedisBlobs
from antiphon.state.redis.breakers import RedisBreakers
from antiphon.state.redis.mirrored import MirroredSessions
from antiphon.state.redis.sessions import RedisSessions
from antiphon.state.redis.uses import RedisUses
from antiphon.store.blobs import FileBlobs

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(base_s=0.2, cap_s=5.0)
_PIPE_BYTES = 2**20
"""Unread results of one session, kept for resuming it: 22 s of speech."""
_BLOBS_BYTES = 256 * 2**20
"""Maximum job audio of one tenant in Redis."""
_MIRROR_S = 1.0
"""Timeout of the mirror's publications; later ones are dropped."""


@asynccontextmanager
async def over_redis(
    settings: Settings, clock: Clock, watch: CircuitWatch, metrics: Metrics, *, waits: bool = False
) -> AsyncGenerator[Shared]:
    """Open the shared services, and close them at the end.

    If Redis does not answer, raises `ProviderUnavailable` or, if it ``waits``, waits for it.
    """
    url = settings.redis_url.get_secret_value()
    connection = RedisConnection(url, most=settings.redis_connections, timeout_s=settings.redis_timeout_s)
    mirror = None
    audio = _job_audio(settings, RedisBlobs(connection, tenant_bytes=_BLOBS_BYTES), clock)
    limits = QueueLimit(settings.bus_lease_s, settings.bus_attempts), PipeLimit(_PIPE_BYTES)
    windows: dict[str, Any] = {"resume_window_s": settings.resume_window_s, "liveness_s": settings.session_liveness_s}
    if settings.redis_mirror:
        mirror = RedisMirror(RedisConnection(url, most=2, timeout_s=_MIRROR_S), clock, metrics.mirror_dropped)
        mirror.start()
        bus = MirroredBus(connection, mirror, *limits, audio=audio)
        sessions = MirroredSessions(connection, mirror, **windows)
    else:
        bus, sessions = RedisBus(connection, *limits, audio=audio), RedisSessions(connection, **windows)
    try:
        if waits:
            await _answer_of(connection)
        await bus.start()
        memory = MemoryWatch(connection, metrics.redis_memory)
        await memory.start()
        streams = RedisSessions(
            connection,
            resume_window_s=settings.dubbing_resume_s,
            liveness_s=settings.session_liveness_s,
            kind="stream",
        )
        breakers = RedisBreakers(connection, breaker_rule(settings), clock, watch)
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
            RedisEventLogs(connection, LogLimit(settings.bus_lease_s, settings.events_capacity)),
        )
    finally:
        if mirror is not None:
            await mirror.close()
        await connection.close()


async def _answer_of(connection: RedisConnection) -> None:
    """Return as soon as Redis answers."""
    for failures in itertools.count(1):
        try:
            await connection.command("PING")
        except ProviderUnavailable as error:
            if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, 8th …
                _log.warning("Redis is not there yet", failures=failures, **error_fields(error))
            await asyncio.sleep(_BACKOFF.delay_s(failures, random.random))
        else:
            return


def _job_audio(settings: Settings, blobs: Blobs, clock: Clock) -> JobAudio:
    """Return the store of job audio: ``blobs``, and for larger audio the configured directory."""
    path = settings.blobs_path
    large = path and FileBlobs(path.expanduser(), tenant_bytes=settings.blobs_max_mib * 2**20, clock=clock)
    return JobAudio(blobs, clock, large=large)
