"""Circuit breakers of one process, in memory."""

from __future__ import annotations

from antiphon.clock import Clock, SystemClock
from antiphon.ports.breakers import Endpoint, Ticket
from antiphon.resilience.breaker import Breaker, BreakerRule
from antiphon.state.circuit_watch import CircuitWatch


class EmbeddedBreakers:
    """A `Breakers` in memory, for one process."""

    def __init__(
        self, rule: BreakerRule | None = None, clock: Clock | None = None, watch: CircuitWatch | None = None
    ) -> None:
        self._rule = rule or BreakerRule()
        self._clock = clock or SystemClock()
        self._watch = watch or CircuitWatch()
        self._circuits: dict[str, Breaker] = {}

    async def admit(self, endpoint: Endpoint) -> Ticket:
        """Return the permission for one call. Raises `ProviderUnavailable`."""
        circuit = self._circuits.get(endpoint.name)
        if circuit is None:
            circuit = self._circuits[endpoint.name] = Breaker(self._rule)
        generation = circuit.admit(self._clock.now())
        if generation is None:
            raise self._watch.refusal(endpoint.name)
        self._watch.saw(endpoint.name, is_open=circuit.is_open)
        return Ticket(endpoint, generation, is_probe=circuit.is_open)

    async def report(self, ticket: Ticket, ok: bool | None, *, took_s: float = 0.0) -> None:
        """Record the outcome of a call."""
        circuit = self._circuits[ticket.endpoint.name]
        circuit.report(ticket.generation, self._rule.judge(ok, took_s), self._clock.now())
        self._watch.saw(ticket.endpoint.name, is_open=circuit.is_open)
