"""When webhooks are sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.webhooks.schedule import MOST_WAIT_S, STEPS_S, Deadline, outcome_of, wait_s

UNIFORM = st.floats(0, 1)
SECONDS = st.floats(0, 1e9)


@pytest.mark.parametrize(("status", "outcome"), [
    (200, "delivered"), (204, "delivered"), (299, "delivered"), (410, "gone"),
    (199, "failed"), (301, "failed"), (304, "failed"), (308, "failed"), (400, "failed"), (404, "failed"),
    (429, "failed"), (500, "failed"), (503, "failed"),
])  # fmt: skip
def test_an_answer_means_one_thing(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_waits_grow_to_an_hour() -> None:
    assert [wait_s(count, None, 0.0) for count in range(1, 8)] == [5, 30, 120, 600, 3600, 3600, 3600]


@given(st.integers(-5, 10**6), UNIFORM)
def test_jitter_shortens_a_wait_by_a_fifth_at_most(failures: int, uniform: float) -> None:
    step = STEPS_S[min(max(failures, 1), 5) - 1]
    assert 0.8 * step <= wait_s(failures, None, uniform) <= step


@given(st.integers(1, 100), SECONDS, UNIFORM)
def test_an_endpoint_may_ask_for_longer_waits_up_to_an_hour(failures: int, asked_s: float, uniform: float) -> None:
    own = wait_s(failures, None, uniform)
    assert wait_s(failures, asked_s, uniform) == min(MOST_WAIT_S, max(own, asked_s))


@given(SECONDS, SECONDS, SECONDS, st.floats(0, 604_800))
def test_an_attempt_is_never_planned_after_the_deadline(published: float, now: float, due: float, retry: float) -> None:
    deadline = Deadline(retry)
    wait = deadline.next_s(published, now, due)
    if deadline.is_over(published, now):
        assert wait is None
    else:
        assert wait is not None
        assert 0 <= wait <= published + retry - now


def test_the_last_attempt_is_made_at_the_deadline() -> None:
    deadline = Deadline(100.0)
    assert deadline.next_s(1_000.0, 1_090.0, 1_095.0) == 5.0
    assert deadline.next_s(1_000.0, 1_090.0, 5_000.0) == 10.0
    assert deadline.next_s(1_000.0, 1_090.0, 0.0) == 0.0
    assert deadline.next_s(1_000.0, 1_100.0, 1_200.0) is None
