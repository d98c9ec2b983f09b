"""The window: what is taken, acknowledged and counted."""

from __future__ import annotations

from msgspec import UNSET

from antiphon.dubbing.backpressure import Thresholds
from antiphon.dubbing.effects import Start
from tests.options import stream_rules
from tests.unit.dubbing.stages import (
    WALL_MS,
    Stage,
    delivered,
    error,
    sent,
    started,
)


def test_a_fragment_is_acknowledged_before_it_is_worked_on() -> None:
    stage = Stage()
    told = stage.offer(0)
    (ack,) = sent(told, "fragment:ack")
    assert (ack.fragment_id, ack.status, ack.timestamp, ack.queue_position) == ("f0", "queued", WALL_MS, 0)
    assert ack.estimated_completion_ms == 6000
    assert [type(one).__name__ for one in told] == ["Send", "Start"]
    stage.now += 1
    (ack,) = sent(stage.offer(1), "fragment:ack")
    assert (ack.queue_position, ack.estimated_completion_ms) == (1, 12_000)


def test_a_fragment_is_started_with_the_number_of_its_audio() -> None:
    stage = Stage()
    stage.offer(0)
    stage.offer(1)
    starts = [one for one in stage.effects if isinstance(one, Start)]
    assert [(one.fragment.fragment_id, one.audio) for one in starts] == [("f0", 1), ("f1", 2)]
    assert [one.fragment.audio.data_base64 for one in starts] == ["", ""], "samples stay at the door"


def test_the_estimate_follows_what_fragments_took() -> None:
    stage = Stage()
    stage.offer(0)
    stage.now += 2
    stage.done("f0")
    (ack,) = sent(stage.offer(1), "fragment:ack")
    assert ack.estimated_completion_ms == 2000


def test_a_fragment_says_where_it_lies_in_its_stream() -> None:
    stage = Stage()
    stage.offer(0, metadata={"pts_ns": 12_000_000_000})
    stage.offer(1)
    assert [one.begins_ms for one in stage.effects if type(one).__name__ == "Start"] == [12_000, 6_000]


def test_a_fragment_in_flight_is_acknowledged_again_and_has_one_result() -> None:
    stage = Stage()
    stage.offer(0)
    again = stage.offer(0)
    assert [ack.status for ack in sent(again, "fragment:ack")] == ["processing"]
    assert not started(again)
    assert delivered(stage.done("f0")) == ["f0"]


def test_a_fragment_that_may_be_tried_again_is_and_counts_once() -> None:
    stage = Stage()
    stage.offer(0)
    stage.done("f0", "failed", retryable=True)
    stage.offer(1)
    assert started(stage.offer(0)) == ["f0"]
    assert delivered(stage.done("f0")) == ["f0"], "its number has passed: it waits for nobody"
    stage.done("f1")
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert (complete.total_fragments, complete.success_count, complete.failed_count) == (2, 2, 0)
    assert complete.error_breakdown.by_code == {}


def test_a_retry_in_a_later_session_counts_there() -> None:
    stage = Stage()
    for number in range(2):
        stage.offer(number)
        stage.done(f"f{number}", "failed", retryable=True)
    stage.lose()
    stage.begin()
    stage.offer(1)
    assert delivered(stage.done("f1")) == ["f1"]
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert (complete.total_fragments, complete.success_count, complete.failed_count) == (1, 1, 0)


def test_what_fails_while_nobody_is_there_is_counted_when_it_is_tried_again() -> None:
    stage = Stage()
    stage.offer(0)
    stage.lose()
    stage.begin()
    stage.done("f0", "failed", retryable=True)
    stage.offer(0)
    stage.done("f0")
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert (complete.total_fragments, complete.success_count, complete.failed_count) == (1, 1, 0)


def test_the_worker_is_told_at_each_change_of_severity_both_ways() -> None:
    stage = Stage(max_inflight=4)
    told = [(number, one) for number in range(10) for one in sent(stage.offer(number), "backpressure")]
    assert [(number, one.severity, one.action, one.current_inflight) for number, one in told] == [
        (3, "medium", "slow_down", 4),
        (6, "high", "pause", 7),
    ]
    assert [(one.threshold_exceeded, one.recommended_delay_ms, one.max_inflight) for _, one in told] == [
        ("medium", 500, 4),
        ("high", 2000, 4),
    ]
    refused = error(stage.offer(10))
    assert (refused.code, refused.retryable, refused.severity) == ("BACKPRESSURE_EXCEEDED", True, "warning")
    assert refused.fragment_id == "f10"
    back = [(number, one) for number in range(10) for one in sent(stage.done(f"f{number}"), "backpressure")]
    assert [(number, one.severity, one.action, one.current_inflight) for number, one in back] == [
        (3, "medium", "slow_down", 6),
        (6, "low", "none", 3),
    ]
    assert back[1][1].threshold_exceeded is None
    assert back[1][1].recommended_delay_ms is UNSET


def test_above_the_highest_threshold_the_pause_is_told_again_until_no_more_are_taken() -> None:
    stage = Stage(stream_rules(thresholds=Thresholds(1, 2, 3, 5)))
    told = [(number, one) for number in range(5) for one in sent(stage.offer(number), "backpressure")]
    assert [(one.current_inflight, one.severity, one.threshold_exceeded) for _, one in told] == [
        (2, "medium", "medium"),
        (3, "high", "high"),
        (4, "high", "high"),
    ]
    assert error(stage.offer(5)).code == "BACKPRESSURE_EXCEEDED"


def test_held_results_count_as_in_flight() -> None:
    stage = Stage()
    for number in range(1, 11):
        stage.offer(number)
        stage.done(f"f{number}")
    assert error(stage.offer(0)).code == "BACKPRESSURE_EXCEEDED"
    last = sent(stage.effects, "backpressure")[-1]
    assert last.queue_depth == 1, "the others wait for number 0, not for work"


def test_fragments_of_a_minute_are_limited_where_keys_are() -> None:
    stage = Stage(stream_rules(fragments_per_min=2))
    for number in range(2):
        stage.offer(number)
        stage.done(f"f{number}")
    refused = error(stage.offer(2))
    assert (refused.code, refused.retryable) == ("RATE_LIMIT", True)
    stage.now += 61
    assert started(stage.offer(2)) == ["f2"]
