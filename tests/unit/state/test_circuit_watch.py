"""Changes of a circuit are told once."""

from __future__ import annotations

from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.state.circuit_watch import CircuitWatch


def test_the_first_sight_and_each_change_are_told() -> None:
    told: list[tuple[str, bool]] = []
    watch = CircuitWatch(lambda endpoint, is_open: told.append((endpoint, is_open)))
    with capture_logs() as logs:
        for is_open in (False, False, True, True, False, False):
            watch.saw("llm:openai", is_open=is_open)
        watch.saw("tts:openai", is_open=False)
    assert told == [("llm:openai", False), ("llm:openai", True), ("llm:openai", False), ("tts:openai", False)]
    assert [entry["event"] for entry in logs] == ["circuit open", "circuit closed"]


def test_a_refusal_is_a_sight_of_an_open_circuit() -> None:
    told: list[tuple[str, bool]] = []
    error = CircuitWatch(lambda endpoint, is_open: told.append((endpoint, is_open))).refusal("llm:openai")
    assert error.code == "circuit_open"
    assert told == [("llm:openai", True)]


def test_a_circuit_refuses_until_a_call_may_try_it() -> None:
    clock = VirtualClock()
    watch = CircuitWatch(clock=clock, open_s=30.0)
    assert not watch.refuses("llm:openai")
    watch.saw("llm:openai", is_open=True)
    clock.advance(20.0)
    watch.refusal("llm:openai")
    clock.advance(29.0)
    assert watch.refuses("llm:openai")
    clock.advance(1.0)
    assert not watch.refuses("llm:openai"), "who is sent no work would never try it"
    watch.saw("llm:openai", is_open=True)
    watch.saw("llm:openai", is_open=False)
    assert not watch.refuses("llm:openai")
