"""Circuit breakers that all processes share, in Redis."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import structlog

from antiphon.clock import Clock, SystemClock
from antiphon.connections.redis import Argument, RedisConnection, Script
from antiphon.errors import ProviderUnavailable
from antiphon.ports.breakers import Endpoint, Ticket
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.embedded_breakers import EmbeddedBreakers

_TIMEOUT_S = 1.0
"""So long a call to an engine waits for Redis at most; a listener waits with it."""
_AWAY_S = 5.0
"""After Redis did not answer, it is not asked for so long."""
_KEPT_MS = 86_400_000
"""A circuit that nobody touches is closed again after a day and what it takes to probe it."""
_WORDS = {True: "ok", False: "failed", None: "void"}

_ADMIT, _REPORT = (Script.load("antiphon.state.redis", name) for name in ("circuit_admit", "circuit_report"))

_log = structlog.get_logger(__name__)


class RedisBreakers:
    """A `Breakers` in Redis, by Redis' clock: what one process learns of a service, all know.

    Engines inside this process have a circuit of its own, in memory. So has everything else while Redis is away.
    """

    def __init__(
        self,
        connection: RedisConnection,
        rule: BreakerRule | None = None,
        clock: Clock | None = None,
        watch: CircuitWatch | None = None,
    ) -> None:
        self._connection = connection
        self._rule = rule = rule or BreakerRule()
        self._clock = clock or SystemClock()
        self._watch = watch or CircuitWatch()
        self._local = EmbeddedBreakers(rule, self._clock, self._watch)
        self._open_ms, self._probe_ms = math.ceil(rule.open_s * 1000), math.ceil(rule.probe_s * 1000)
        self._kept_ms = _KEPT_MS + self._open_ms + self._probe_ms
        self._away_until: float | None = None
        """None while Redis answers."""

    async def admit(self, endpoint: Endpoint) -> Ticket:
        """Return the permission for one call. Raises `ProviderUnavailable`."""
        answer = await self._ask(_ADMIT, endpoint, self._probe_ms, self._kept_ms) if endpoint.is_shared else None
        if answer is None:
            return await self._local.admit(endpoint)
        if not answer:
            raise self._watch.refusal(endpoint.name)
        generation, is_probe = answer
        self._watch.saw(endpoint.name, is_open=bool(is_probe))
        return Ticket(endpoint, int(generation), is_probe=bool(is_probe), is_shared=True)

    async def report(self, ticket: Ticket, ok: bool | None, *, took_s: float = 0.0) -> None:
        """Take note of how a call went. What Redis does not hear is lost; a probe then gives way in time."""
        if not ticket.is_shared:
            await self._local.report(ticket, ok, took_s=took_s)
            return
        judged = self._rule.judge(ok, took_s)
        if judged is None and not ticket.is_probe:
            return  # nothing would change: spare a cancelled call the way to Redis
        is_open = await self._ask(
            _REPORT,
            ticket.endpoint,
            ticket.generation,
            _WORDS[judged],
            self._rule.failures,
            self._open_ms,
            self._kept_ms,
        )
        if is_open is not None:
            self._watch.saw(ticket.endpoint.name, is_open=bool(is_open))

    async def _ask(self, script: Script, endpoint: Endpoint, *arguments: Argument) -> Any:
        """Return what Redis answers, or None while it is away."""
        if self._away_until is not None and self._clock.now() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._connection.run(script, [f"antiphon:circuit:{{{endpoint.name}}}"], *arguments)
        except (ProviderUnavailable, TimeoutError) as error:
            if self._away_until is None:
                _log.warning("circuit breakers are this process's own: redis is away", error=str(error))
            self._away_until = self._clock.now() + _AWAY_S
            return None
        if self._away_until is not None:
            self._away_until = None
            _log.info("circuit breakers are shared again")
        return answer
