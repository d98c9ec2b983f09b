"""What the processes of a fleet share: in one process its own memory, else Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from antiphon.app.settings import Settings
from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import Clock
from antiphon.errors import InvalidRequest, ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.ports.breakers import Breakers
from antiphon.ports.bus import Bus
from antiphon.ports.sessions import Sessions
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.embedded_breakers import EmbeddedBreakers
from antiphon.wire.jobs import Queue

_OWN_PIPE_BYTES, _REDIS_PIPE_BYTES = 192 * 2**10, 2**20
"""Results that may wait for one session, and stay for whoever takes it up: 4 and 22 s of speech.

A client that does not read holds its workers back; in one process that is memory of the gateway itself.
"""
_DEPTH_S = 5.0

_log = structlog.get_logger("antiphon.bus")


@dataclass(frozen=True, slots=True)
class Shared:
    """The bus, the sessions, and the circuits of the services that engines call."""

    bus: Bus
    sessions: Sessions
    streams: Sessions | None
    """Where the streams of dubbing are, for other gateways; None where there are none."""
    breakers: Breakers
    depth: Callable[[Queue], Awaitable[int]]
    checks: Callable[[], dict[str, bool]] = dict[str, bool]
    """What of it can be used at the moment, by name."""

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
    watch = CircuitWatch(metrics.circuit)
    if settings.redis_url:
        async with _over_redis(settings, clock, watch) as made:
            yield made
    else:
        yield _in_memory(settings, clock, watch)


def _in_memory(settings: Settings, clock: Clock, watch: CircuitWatch) -> Shared:
    bus = EmbeddedBus(
        clock,
        lease_s=settings.bus_lease_s,
        attempts=settings.bus_attempts,
        pipe_bytes=_OWN_PIPE_BYTES,
        strict=settings.bus_strict,
    )
    sessions = EmbeddedSessions(clock, resume_window_s=settings.resume_window_s, liveness_s=settings.session_liveness_s)

    async def depth(queue: Queue) -> int:
        return bus.depth(queue)

    return Shared(bus, sessions, None, EmbeddedBreakers(_breaker_rule(settings), clock, watch), depth)


def _breaker_rule(settings: Settings) -> BreakerRule:
    return BreakerRule(
        failures=settings.breaker_failures,
        open_s=settings.breaker_open_s,
        slow_s=settings.breaker_slow_s,
        probe_s=2 * settings.provider_timeout_s,  # each step of a call may take so long, and many take two
    )


@asynccontextmanager
async def _over_redis(settings: Settings, clock: Clock, watch: CircuitWatch) -> AsyncGenerator[Shared]:
    try:
        from antiphon.bus.redis.bus import RedisBus
        from antiphon.bus.redis.jobs import QueueLimit
        from antiphon.bus.redis.pipes import PipeLimit
        from antiphon.connections.redis import RedisConnection
        from antiphon.state.redis.breakers import RedisBreakers
        from antiphon.state.redis.sessions import RedisSessions
    except ModuleNotFoundError as error:
        variable = "ANTIPHON_REDIS_URL"
        raise InvalidRequest(
            f"{variable} is set, and the client of Redis is missing: pip install 'antiphon[fleet]'", param=variable
        ) from error
    connection = RedisConnection(
        settings.redis_url, most=settings.redis_connections, patience_s=settings.redis_patience_s
    )
    try:
        bus = RedisBus(
            connection,
            queues=QueueLimit(lease_s=settings.bus_lease_s, attempts=settings.bus_attempts),
            pipes=PipeLimit(bytes=_REDIS_PIPE_BYTES),
        )
        await bus.start()
        sessions = RedisSessions(
            connection, resume_window_s=settings.resume_window_s, liveness_s=settings.session_liveness_s
        )
        streams = RedisSessions(
            connection,
            resume_window_s=settings.dubbing_resume_s,
            liveness_s=settings.session_liveness_s,
            kind="stream",
        )
        breakers = RedisBreakers(connection, _breaker_rule(settings), clock, watch)
        yield Shared(
            bus, sessions, streams, breakers, bus.depth, lambda: {"redis": connection.reachable_since is not None}
        )
    finally:
        await connection.close()
