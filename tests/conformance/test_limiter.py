"""What every `Limiter` promises. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.clock import VirtualClock
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.limiter import Account, Allowance, Limiter

WINDOW_S = 60.0
ONE = Account("t", "key_one")
OTHER = Account("t", "key_two")


@dataclass
class Stage:
    """The limiter under test, and a way to let time pass for it."""

    limiter: Limiter
    advance: Callable[[float], None]

    def admit(self, account: Account, tokens: int = 0) -> bool:
        """Start one request if every limit has something left."""
        if any(allowance.remaining <= 0 for allowance in self.limiter.allowances(account)):
            return False
        self.limiter.charge(account, requests=1, tokens=tokens)
        return True


def make_embedded(requests: int, tokens: int) -> Stage:
    clock = VirtualClock()
    return Stage(SlidingWindowLimiter(requests=requests, tokens=tokens, clock=clock), clock.advance)


ADAPTERS: dict[str, Callable[[int, int], Stage]] = {"embedded": make_embedded}

adapters = pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)


@adapters
def test_zero_is_no_limit(make: Callable[[int, int], Stage]) -> None:
    limiter = make(0, 0).limiter
    assert limiter.charge(ONE, requests=1000, tokens=10**9) == ()
    assert limiter.allowances(ONE) == ()


@adapters
def test_only_limits_that_apply_are_told(make: Callable[[int, int], Stage]) -> None:
    assert make(5, 0).limiter.allowances(ONE) == (Allowance("requests", 5, 5, 0.0),)
    assert make(0, 9).limiter.allowances(ONE) == (Allowance("tokens", 9, 9, 0.0),)


@adapters
def test_a_charge_leaves_less_until_the_window_has_passed(make: Callable[[int, int], Stage]) -> None:
    stage = make(5, 100)
    requests, tokens = stage.limiter.charge(ONE, requests=1, tokens=30)
    assert (requests.name, requests.limit, requests.remaining) == ("requests", 5, 4)
    assert (tokens.name, tokens.limit, tokens.remaining) == ("tokens", 100, 70)
    assert requests.reset_s == pytest.approx(WINDOW_S)
    stage.advance(WINDOW_S - 0.001)
    assert [allowance.remaining for allowance in stage.limiter.allowances(ONE)] == [4, 70]
    stage.advance(0.001)
    assert [allowance.remaining for allowance in stage.limiter.allowances(ONE)] == [5, 100]
    assert [allowance.reset_s for allowance in stage.limiter.allowances(ONE)] == [0.0, 0.0]


@adapters
def test_asking_costs_nothing(make: Callable[[int, int], Stage]) -> None:
    stage = make(1, 0)
    for _ in range(10):
        stage.limiter.allowances(ONE)
    assert stage.admit(ONE)


@adapters
def test_reset_counts_down_to_the_newest_charge(make: Callable[[int, int], Stage]) -> None:
    stage = make(5, 0)
    stage.limiter.charge(ONE, requests=1)
    stage.advance(20)
    stage.limiter.charge(ONE, requests=1)
    stage.advance(10)
    (allowance,) = stage.limiter.allowances(ONE)
    assert allowance.reset_s == pytest.approx(WINDOW_S - 10)


@adapters
def test_what_goes_below_zero_blocks_until_it_has_recovered(make: Callable[[int, int], Stage]) -> None:
    stage = make(0, 100)
    (allowance,) = stage.limiter.charge(ONE, tokens=90)
    stage.advance(10)
    (allowance,) = stage.limiter.charge(ONE, tokens=150)
    assert allowance.remaining <= 0
    stage.advance(WINDOW_S - 10)
    (allowance,) = stage.limiter.allowances(ONE)  # the 90 are gone, the 150 still block
    assert allowance.remaining <= 0
    stage.advance(10)
    (allowance,) = stage.limiter.allowances(ONE)
    assert allowance.remaining == 100


@adapters
@pytest.mark.parametrize("other", [OTHER, Account("u", "key_one")])
def test_keys_and_tenants_do_not_share(make: Callable[[int, int], Stage], other: Account) -> None:
    stage = make(1, 0)
    assert stage.admit(ONE)
    assert not stage.admit(ONE)
    assert stage.admit(other)


@adapters
@given(
    limit=st.integers(1, 6),
    gaps=st.lists(
        st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 30), st.just(59.999), st.just(60.0)),
        min_size=1,
        max_size=80,
    ),
)
@settings(max_examples=150, deadline=None)
def test_no_window_of_60_s_anywhere_admits_more_than_the_limit(
    make: Callable[[int, int], Stage], limit: int, gaps: list[float]
) -> None:
    stage = make(limit, 0)
    now = 0.0
    admitted: list[float] = []
    for gap in gaps:
        now += gap
        stage.advance(gap)
        if stage.admit(ONE):
            admitted.append(now)
    for start in admitted:
        assert sum(start <= moment < start + WINDOW_S for moment in admitted) <= limit


@adapters
@given(gaps=st.lists(st.floats(0.1, 200), min_size=1, max_size=40), limit=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_who_stays_below_the_limit_is_never_refused(
    make: Callable[[int, int], Stage], gaps: list[float], limit: int
) -> None:
    stage = make(limit, 0)
    now = 0.0
    admitted: list[float] = []
    for gap in gaps:
        now += gap
        stage.advance(gap)
        recent = sum(now - moment <= WINDOW_S + 0.001 for moment in admitted)
        if stage.admit(ONE):
            admitted.append(now)
        else:
            assert recent >= limit
