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
"""Longest wait of an engine call for Redis; a user waits for that call."""
_AWAY_S = 5.0
"""Pause before the next command after Redis failed to answer."""
_KEPT_MS = 86_400_000
"""Time to live of an unused circuit, without its open and probe times; then it is closed."""
_WORDS = {True: "ok", False: "failed", None: "void"}

_ADMIT, _REPORT = (Script.load("antiphon.state.redis", name) for name in ("circuit_admit", "circuit_report"))

_log = structlog.get_logger(__name__)


class RedisBreakers:
    """A `Breakers` in Redis, by Redis' clock: all processes share what one learns of a service.

    Circuits of engines inside this process are in memory; while Redis is unavailable, all circuits are.
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
        """Record the outcome of a call. It is lost while Redis is unavailable; a lost probe times out."""
        if not ticket.is_shared:
            await self._local.report(ticket, ok, took_s=took_s)
            return
        judged = self._rule.judge(ok, took_s)
        if judged is None and not ticket.is_probe:
            return  # no effect: save the round trip
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
        """Return Redis' reply, or None while it is unavailable."""
        if self._away_until is not None and self._clock.now() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._connection.run(script, [f"antiphon:circuit:{{{endpoint.name}}}"], *arguments)
        except (ProviderUnavailable, TimeoutError) as error:
            if self._away_until is None:
                _log.warning("circuit breakers are local: redis is unavailable", error=str(error))
            self._away_until = self._clock.now() + _AWAY_S
            return None
        if self._away_until is not None:
            self._away_until = None
            _log.info("circuit breakers are shared again")
        return answer
