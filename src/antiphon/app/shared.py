"""The state that the processes of a fleet share: in memory for a single process, else in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from antiphon.app.settings import Settings
from antiphon.errors import ProviderUnavailable
from antiphon.jobs.audio import JobAudio
from antiphon.observe.metrics import Metrics
from antiphon.ports.breakers import Breakers
from antiphon.ports.bus import Bus
from antiphon.ports.event_logs import EventLogs
from antiphon.ports.sessions import Sessions
from antiphon.ports.uses import Uses
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.wire.jobs import Queue

_DEPTH_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shared:
    """The bus, the sessions, and the circuits of the services that engines call."""

    bus: Bus
    sessions: Sessions
    streams: Sessions | None
    """Owners of the dubbing streams, for other gateways; None for a single process."""
    breakers: Breakers
    circuits: CircuitWatch
    """The states of the circuits, as last seen by this process."""
    uses: Uses
    """Use counts of client secrets."""
    depth: Callable[[Queue], Awaitable[int]]
    has_room: Callable[[], bool] = lambda: True
    """False while memory is too short for new sessions."""
    watch_room: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Keeps `has_room` up to date, endlessly; None if `has_room` is constant."""
    checks: Callable[[], dict[str, bool]] = dict[str, bool]
    """Health of the shared services, by name."""
    audio: JobAudio | None = None
    """Stores the audio of large jobs; None if jobs carry it themselves."""
    event_logs: EventLogs | None = None
    """The event logs, if they are shared."""

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
                    _log.warning("queue depth unavailable", queue=queue, error=str(error))
            await asyncio.sleep(_DEPTH_S)


def breaker_rule(settings: Settings) -> BreakerRule:
    """Return when a circuit opens, and for how long."""
    return BreakerRule(
        failures=settings.breaker_failures,
        open_s=settings.breaker_open_s,
        slow_s=settings.breaker_slow_s,
        probe_s=2 * settings.provider_timeout_s,  # a call has up to two steps of this length
    )
