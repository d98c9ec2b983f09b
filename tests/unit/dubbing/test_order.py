"""The order of results, and the gaps in it."""

from __future__ import annotations

import pytest

from antiphon.dubbing.effects import Deliver
from antiphon.dubbing.order import gap_due
from antiphon.dubbing.state import Rules, State
from antiphon.dubbing.stream import parse_init
from tests.options import stream_rules
from tests.unit.dubbing.stages import (
    Stage,
    delivered,
    error,
    init,
    is_closed,
    sent,
)


def test_results_leave_in_the_order_of_their_numbers() -> None:
    stage = Stage()
    for number in (2, 0, 1):
        stage.offer(number)
    assert not delivered(stage.done("f2"))
    assert not delivered(stage.done("f1"))
    assert delivered(stage.done("f0")) == ["f0", "f1", "f2"]


def test_a_gap_is_waited_for_then_announced_and_skipped() -> None:
    stage = Stage(timeout_ms=5000)
    for number in (3, 1, 2):
        stage.offer(number)
        stage.done(f"f{number}")
    assert not stage.wait(4.9)
    told = stage.wait(0.2)
    refused = error(told)
    assert (refused.code, refused.retryable) == ("INVALID_SEQUENCE", False)
    assert (refused.details["expected"], refused.details["received"]) == (0, 1)
    assert delivered(told) == ["f1", "f2", "f3"]
    late = error(stage.offer(0))
    assert (late.code, late.details["expected"], late.details["received"]) == ("INVALID_SEQUENCE", 4, 0)


def test_a_gap_that_closes_in_time_is_no_hole() -> None:
    stage = Stage()
    stage.offer(1)
    stage.done("f1")
    stage.wait(7)
    stage.offer(0)
    stage.wait(7)
    assert delivered(stage.done("f0")) == ["f0", "f1"]
    assert not sent(stage.effects, "error")


def test_a_gap_is_waited_for_as_long_as_the_settings_say() -> None:
    stage = Stage(stream_rules(gap_s=0.5))
    stage.offer(1)
    stage.done("f1")
    assert delivered(stage.wait(0.6)) == ["f1"]


def test_nobody_waits_for_a_gap_behind_which_nothing_is_ready() -> None:
    stage = Stage()
    stage.offer(5)
    stage.wait(7)
    assert not sent(stage.effects, "error")
    told = stage.done("f5")
    assert not delivered(told)
    assert delivered(stage.wait(8)) == ["f5"]


def test_an_end_does_not_wait_for_a_hole() -> None:
    stage = Stage()
    stage.offer(0)
    stage.offer(2)
    stage.done("f2")
    stage.end()
    told = stage.done("f0")
    assert delivered(told) == ["f0", "f2"]
    assert error(told).details == {"expected": 1, "received": 2}
    assert is_closed(told)


def test_a_number_is_taken_once() -> None:
    stage = Stage()
    stage.offer(0)
    assert error(stage.offer(0, "another")).code == "INVALID_SEQUENCE"
    stage.done("f0")
    assert error(stage.offer(0, "another")).code == "INVALID_SEQUENCE"
    assert error(stage.offer(0, "another")).fragment_id == "another"


def test_a_retry_holds_up_nobody() -> None:
    stage = Stage()
    stage.offer(0)
    stage.done("f0", "failed", retryable=True)
    stage.offer(0)
    stage.offer(1)
    assert delivered(stage.done("f1")) == ["f1"]


def test_a_stream_that_is_resumed_may_count_from_zero_again() -> None:
    stage = Stage()
    for number in range(3):
        stage.offer(number, f"old{number}")
        stage.done(f"old{number}")
    stage.offer(3, "old3")
    stage.lose()
    stage.begin()
    stage.offer(0, "old3")
    again = stage.done("old3")
    (result,) = [one.result for one in again if isinstance(one, Deliver)]
    assert result.sequence_number == 0
    known = stage.offer(1, "old2")
    (result,) = [one.result for one in known if isinstance(one, Deliver)]
    assert (result.fragment_id, result.sequence_number) == ("old2", 1)
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert complete.total_fragments == 2, "of this session"


@pytest.mark.parametrize(("rules", "waits_s"), [(stream_rules(gap_s=0.5), 0.5), (stream_rules(), 5.0)])
def test_a_gap_is_due_after_the_setting_or_the_stream_s_own_timeout(rules: Rules, waits_s: float) -> None:
    state = State(seed="x", init=parse_init(init(timeout_ms=5_000)))
    assert gap_due(state, rules) is None
    state.gap_since = 100.0
    assert gap_due(state, rules) == 100.0 + waits_s


def test_a_gap_is_due_after_eight_seconds_at_the_latest() -> None:
    assert gap_due(State(seed="x", init=parse_init(init(timeout_ms=30_000)), gap_since=1.0), stream_rules()) == 9.0
