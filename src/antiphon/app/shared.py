"""What the processes of a fleet share: in one process its own memory, else Redis."""

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


def breaker_rule(settings: Settings) -> BreakerRule:
    """Return when a circuit opens, and for how long."""
    return BreakerRule(
        failures=settings.breaker_failures,
        open_s=settings.breaker_open_s,
        slow_s=settings.breaker_slow_s,
        probe_s=2 * settings.provider_timeout_s,  # each step of a call may take so long, and many take two
    )
