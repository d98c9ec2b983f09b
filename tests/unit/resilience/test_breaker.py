"""A circuit opens after failures in a row, lets one probe out at a time, and closes when the endpoint is healthy."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from antiphon.errors import InvalidRequest, ProviderBusy, ProviderRejected, ProviderTimeout, RateLimited, Unsupported
from antiphon.resilience.breaker import Breaker, BreakerRule, blame

RULE = BreakerRule(failures=5, open_s=30.0, slow_s=4.0, probe_s=60.0)


def called(breaker: Breaker, ok: bool | None, now: float = 0.0) -> None:
    """One call from admission to outcome."""
    generation = breaker.admit(now)
    assert generation is not None
    breaker.report(generation, ok, now)


def opened() -> Breaker:
    """A circuit that opened at 0 s."""
    breaker = Breaker(RULE)
    for _ in range(5):
        called(breaker, False)
    return breaker


def test_the_fifth_failure_in_a_row_opens_the_circuit() -> None:
    breaker = Breaker(RULE)
    for _ in range(4):
        called(breaker, False)
    assert not breaker.is_open
    called(breaker, False)
    assert breaker.is_open
    assert breaker.admit(29.9) is None


def test_a_success_ends_the_row() -> None:
    breaker = Breaker(RULE)
    for ok in (False, False, False, False, True, False, False, False, False):
        called(breaker, ok)
    assert not breaker.is_open


def test_what_says_nothing_neither_counts_nor_ends_the_row() -> None:
    breaker = Breaker(RULE)
    for ok in (None, False, None, False, False, None, False, None):
        called(breaker, ok)
    assert not breaker.is_open
    called(breaker, False)
    assert breaker.is_open


def test_after_the_open_time_one_probe_goes_and_closes_the_circuit() -> None:
    breaker = opened()
    probe = breaker.admit(30.0)
    assert probe is not None
    assert breaker.admit(30.0) is None
    assert breaker.is_open
    breaker.report(probe, True, 31.0)
    assert not breaker.is_open
    assert breaker.admit(31.0) is not None


def test_a_probe_that_fails_opens_the_circuit_for_another_while() -> None:
    breaker = opened()
    called(breaker, False, 30.0)
    assert breaker.admit(59.9) is None
    assert breaker.admit(60.0) is not None


def test_one_failure_does_not_open_a_circuit_that_has_just_closed() -> None:
    breaker = opened()
    called(breaker, True, 30.0)
    called(breaker, False, 31.0)
    assert not breaker.is_open


def test_a_probe_that_says_nothing_gives_its_place_free_at_once() -> None:
    breaker = opened()
    called(breaker, None, 30.0)
    assert breaker.is_open
    assert breaker.admit(30.0) is not None


def test_a_probe_that_is_never_heard_of_loses_its_place_and_its_say() -> None:
    breaker = opened()
    lost = breaker.admit(30.0)
    assert lost is not None
    assert breaker.admit(89.9) is None
    assert breaker.admit(90.0) is not None
    breaker.report(lost, True, 91.0)
    assert breaker.is_open


@pytest.mark.parametrize("ok", [True, False])
def test_outcomes_of_calls_from_before_the_last_change_are_ignored(ok: bool) -> None:
    breaker = Breaker(RULE)
    late = breaker.admit(0.0)
    assert late is not None
    for _ in range(5):
        called(breaker, False)
    breaker.report(late, ok, 1.0)
    assert breaker.admit(29.9) is None
    called(breaker, True, 30.0)
    for _ in range(5):
        breaker.report(late, ok, 31.0)
    assert not breaker.is_open


@pytest.mark.parametrize("ok", [True, False, None])
def test_a_slow_call_has_failed_however_it_ended(ok: bool | None) -> None:
    assert RULE.judge(ok, 4.0) is ok
    assert RULE.judge(ok, 4.1) is False


@pytest.mark.parametrize("error", [ProviderTimeout("x"), ProviderBusy("x"), RateLimited("x")])
@pytest.mark.parametrize("delivered", [True, False])
def test_what_a_retry_may_mend_is_the_endpoint_s_failure(error: Exception, delivered: bool) -> None:
    assert blame(error, delivered=delivered) is False


@pytest.mark.parametrize("error", [InvalidRequest("x"), Unsupported("x"), ProviderRejected("x"), ValueError("x")])
def test_a_mistake_of_the_request_says_nothing(error: Exception) -> None:
    assert blame(error, delivered=False) is None


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
def test_a_caller_that_stops_says_that_it_works_once_it_has_heard_something(error: BaseException) -> None:
    assert blame(error, delivered=False) is None
    assert blame(error, delivered=True) is True


STEPS = st.lists(
    st.one_of(
        st.just("admit"),
        st.tuples(st.integers(0, 20), st.sampled_from([True, False, None])),
        st.floats(0, 70, allow_nan=False),
    ),
    max_size=80,
)
"""Calls that begin, calls that end (which, how), and time that passes."""


@examples(max_examples=150)
@given(STEPS, st.integers(1, 6))
def test_never_more_than_one_probe_is_out_and_a_healthy_endpoint_comes_back(
    steps: list[str | tuple[int, bool | None] | float], failures: int
) -> None:
    rule = BreakerRule(failures=failures, open_s=30.0, probe_s=60.0)
    breaker, now = Breaker(rule), 0.0
    out: list[int] = []
    probes: dict[int, float] = {}
    for step in steps:
        if isinstance(step, float):
            now += step
        elif isinstance(step, str):
            generation = breaker.admit(now)
            if generation is not None:
                out.append(generation)
                if breaker.is_open:
                    assert generation not in probes
                    assert all(now >= since + rule.probe_s for since in probes.values())
                    probes[generation] = now
        elif out:
            which, ok = step
            generation = out.pop(which % len(out))
            breaker.report(generation, ok, now)
            probes.pop(generation, None)
    now += max(rule.open_s, rule.probe_s)
    called(breaker, True, now)
    assert not breaker.is_open
    assert breaker.admit(now) is not None
