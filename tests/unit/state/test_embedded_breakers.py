from __future__ import annotations

from antiphon.clock import VirtualClock
from antiphon.ports.breakers import Endpoint
from antiphon.resilience.breaker import BreakerRule
from antiphon.state.circuit_watch import CircuitWatch
from antiphon.state.embedded_breakers import EmbeddedBreakers


async def test_a_circuit_is_shown_open_until_its_probe_succeeded() -> None:
    shown: list[bool] = []
    clock = VirtualClock()
    watch = CircuitWatch(lambda _, is_open: shown.append(is_open))
    breakers = EmbeddedBreakers(BreakerRule(failures=1, open_s=30.0), clock, watch)
    llm = Endpoint("llm:openai", is_shared=True)
    await breakers.report(await breakers.admit(llm), False)
    assert shown == [False, True]
    clock.advance(30)
    probe = await breakers.admit(llm)
    assert (probe.is_probe, probe.is_shared) == (True, False)
    assert shown == [False, True]
    await breakers.report(probe, True)
    assert shown == [False, True, False]
