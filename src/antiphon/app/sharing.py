"""Opens the shared state of a fleet: in memory for a single process, else in Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from antiphon.app.settings import Settings
from antiphon.app.shared import Shared, breaker_rule
from antiphon.bus.embedded import EmbeddedBus
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.clock import Clock
from antiphon.errors import InvalidRequest
from antiphon.observe.metrics import Metrics
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.embedded_breakers import EmbeddedBreakers
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.wire.jobs import Queue

_PIPE_BYTES = 384 * 2**10
"""Unread results of one session: 8 s of speech.

Beyond it workers are held back; here they use the memory of the gateway itself.
"""


@asynccontextmanager
async def shared(settings: Settings, clock: Clock, metrics: Metrics, *, waits: bool = False) -> AsyncGenerator[Shared]:
    """Open the shared state, and close it at the end.

    If Redis does not answer, raises `ProviderUnavailable` or, if it ``waits``, waits for it.
    """
    watch = CircuitWatch(metrics.circuit, clock=clock, open_s=settings.breaker_open_s)
    if settings.redis_mirror and not settings.redis_url:
        variable = "ANTIPHON_REDIS_MIRROR"
        raise InvalidRequest(f"{variable} requires ANTIPHON_REDIS_URL", param=variable)
    if settings.redis_url:
        try:
            from antiphon.app.over_redis import over_redis
        except ModuleNotFoundError as error:
            variable = "ANTIPHON_REDIS_URL"
            raise InvalidRequest(
                f"{variable} is set but the Redis client is not installed: pip install 'antiphon[fleet]'",
                param=variable,
            ) from error
        async with over_redis(settings, clock, watch, metrics, waits=waits) as made:
            yield made
    else:
        yield _in_memory(settings, clock, watch)


def _in_memory(settings: Settings, clock: Clock, watch: CircuitWatch) -> Shared:
    queues = QueueLimit(settings.bus_lease_s, settings.bus_attempts)
    bus = EmbeddedBus(clock, queues, PipeLimit(_PIPE_BYTES), strict=settings.bus_strict)
    sessions = EmbeddedSessions(clock, resume_window_s=settings.resume_window_s, liveness_s=settings.session_liveness_s)

    async def depth(queue: Queue) -> int:
        return bus.depth(queue)

    breakers = EmbeddedBreakers(breaker_rule(settings), clock, watch)
    return Shared(bus, sessions, None, breakers, watch, EmbeddedUses(clock), depth)
