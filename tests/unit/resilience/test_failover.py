"""Failover decides by the type of the error and by the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import (
    AntiphonError,
    InvalidRequest,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    RateLimited,
    Unsupported,
)
from antiphon.resilience.failover import Failover, moves_on


@pytest.mark.parametrize("kind", [ProviderBusy, ProviderRejected, RateLimited, Unsupported])
def test_the_next_engine_is_asked_only_before_the_first_result(kind: type[AntiphonError]) -> None:
    assert moves_on(kind("x"), delivered=False)
    assert not moves_on(kind("x"), delivered=True)


@pytest.mark.parametrize("error", [InvalidRequest("x"), ValueError("x")])
def test_an_error_of_the_request_itself_does_not_move_on(error: Exception) -> None:
    assert not moves_on(error, delivered=False)


def test_a_failed_engine_is_asked_last_while_it_rests() -> None:
    failover = Failover(3)
    failover.failed(0, ProviderTimeout("x"), now=10.0)
    assert failover.order(10.5) == [1, 2, 0]
    assert failover.order(11.1) == [0, 1, 2]


def test_a_leader_is_asked_first_unless_it_rests() -> None:
    failover = Failover(3)
    assert failover.order(now=0.0, leader=2) == [2, 0, 1]
    failover.failed(2, ProviderTimeout("slow"), now=0.0)
    failover.failed(0, ProviderTimeout("slow"), now=0.0)
    assert failover.order(now=0.5, leader=2) == [1, 2, 0]


def test_rests_grow_with_failures_in_a_row_and_end_with_a_success() -> None:
    failover = Failover(2, longest_rest_s=3.0)
    for _ in range(20):
        failover.failed(0, ProviderTimeout("x"), now=0.0)
    assert failover.order(2.9) == [1, 0]
    assert failover.order(3.1) == [0, 1]
    failover.succeeded(0)
    assert failover.order(0.0) == [0, 1]


def test_a_service_that_names_its_wait_is_left_alone_as_long() -> None:
    failover = Failover(2)
    failover.failed(0, RateLimited("x", retry_after_s=20), now=0.0)
    assert failover.order(19.0) == [1, 0]
    assert failover.order(21.0) == [0, 1]


def test_an_engine_that_cannot_do_one_thing_does_not_rest() -> None:
    failover = Failover(2)
    failover.failed(0, Unsupported("x"), now=0.0)
    assert failover.order(0.0) == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 100)), max_size=50), st.floats(0, 200))
def test_every_engine_is_asked_exactly_once_whatever_happened(
    events: list[tuple[int, bool, float]], now: float
) -> None:
    failover = Failover(4)
    for index, fine, at in events:
        failover.succeeded(index) if fine else failover.failed(index, ProviderTimeout("x"), at)
    assert sorted(failover.order(now)) == [0, 1, 2, 3]
