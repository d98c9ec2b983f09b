"""The stream machine, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from antiphon.dubbing.backpressure import Thresholds
from antiphon.dubbing.effects import Deliver
from antiphon.dubbing.inputs import Done, Ended, Paused, Simulated
from antiphon.dubbing.state import Rules
from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_client import MAX_AUDIO_BASE64, ErrorSimulation, SimulationRule, StreamCommand
from tests.unit.dubbing.stages import (
    CONFIG,
    WALL_MS,
    Stage,
    cancelled,
    delivered,
    error,
    forgotten,
    fragment,
    is_closed,
    sent,
    started,
)


# -- life ------------------------------------------------------------------------------------------------------------
def test_a_stream_is_ready_and_says_what_it_can() -> None:
    (ready,) = sent(Stage(max_inflight=5).effects, "stream:ready")
    assert (ready.stream_id, ready.session_id, ready.max_inflight) == ("s", "session1", 5)
    assert ready.capabilities == ("asr", "translation", "tts", "duration_matching", "async_delivery")
    assert ready.server_capabilities.async_delivery


@pytest.mark.parametrize(("form", "has_array", "has_sibling"), [("array", True, False), ("object", False, False)])
def test_the_form_of_the_capabilities_can_be_chosen(form: Any, has_array: bool, has_sibling: bool) -> None:
    (ready,) = sent(Stage(Rules(capabilities=form)).effects, "stream:ready")
    assert isinstance(ready.capabilities, tuple) is has_array
    assert (ready.server_capabilities is not UNSET) is has_sibling


def test_before_it_has_begun_there_is_no_stream() -> None:
    stage = Stage(begun=False)
    for refused in (stage.offer(0), stage.pause(), stage.resume(), stage.end()):
        assert error(refused).code == "STREAM_NOT_FOUND"
    assert error(stage.offer(0)).fragment_id == "f0"


def test_another_stream_is_not_found() -> None:
    stage = Stage()
    refused = stage.offer(0, stream_id="other")
    assert error(refused).code == "STREAM_NOT_FOUND"
    assert error(refused).stream_id == "other"
    for kind in (Paused, Ended):
        assert error(stage.tell(kind(StreamCommand(stream_id="other")))).code == "STREAM_NOT_FOUND"
    assert stage.stream.state.phase == "ready"


def test_a_stream_begins_anew_only_when_nothing_is_in_flight() -> None:
    stage = Stage()
    stage.offer(0)
    assert error(stage.begin()).code == "INVALID_CONFIG"
    stage.done("f0")
    assert sent(stage.begin(), "stream:ready")


def test_a_pause_takes_nothing_new_and_delivers_what_is_under_way() -> None:
    stage = Stage()
    stage.offer(0)
    assert not stage.pause()
    refused = error(stage.offer(1))
    assert (refused.code, refused.retryable, refused.severity) == ("STREAM_PAUSED", False, "warning")
    assert delivered(stage.done("f0")) == ["f0"]
    assert not stage.pause(), "while it is paused a pause changes nothing"
    assert not stage.resume()
    assert started(stage.offer(1)) == ["f1"], "the number was not used up"
    assert not stage.resume()


def test_an_end_waits_for_what_is_in_flight() -> None:
    stage = Stage()
    stage.offer(0)
    assert not stage.end()
    refused = error(stage.offer(1))
    assert (refused.code, refused.details["state"]) == ("STREAM_NOT_FOUND", "ending")
    ended = stage.done("f0")
    assert delivered(ended) == ["f0"]
    (complete,) = sent(ended, "stream:complete")
    assert (complete.total_fragments, complete.total_duration_ms, complete.success_count) == (1, 6000, 1)
    assert is_closed(ended)
    assert error(stage.offer(1)).details["state"] == "completed"


def test_a_stream_that_is_paused_can_end() -> None:
    stage = Stage()
    stage.pause()
    assert is_closed(stage.end())


def test_after_its_end_a_stream_may_begin_again_from_nought() -> None:
    stage = Stage()
    stage.offer(0)
    stage.done("f0")
    stage.end()
    stage.begin()
    stage.offer(1)
    stage.done("f1")
    assert delivered(stage.wait(8)) == ["f1"], "after the wait for number 0"
    stage.end()
    (_, complete) = sent(stage.effects, "stream:complete")
    assert complete.total_fragments == 1


# -- acknowledgements ------------------------------------------------------------------------------------------------
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


# -- order -----------------------------------------------------------------------------------------------------------
def test_results_leave_in_the_order_of_their_numbers() -> None:
    stage = Stage()
    for number in (2, 0, 1):
        stage.offer(number)
    assert not delivered(stage.done("f2"))
    assert not delivered(stage.done("f1"))
    assert delivered(stage.done("f0")) == ["f0", "f1", "f2"]


def test_a_hole_is_waited_for_then_announced_and_passed_over() -> None:
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


def test_a_hole_that_closes_in_time_is_no_hole() -> None:
    stage = Stage()
    stage.offer(1)
    stage.done("f1")
    stage.wait(7)
    stage.offer(0)
    stage.wait(7)
    assert delivered(stage.done("f0")) == ["f0", "f1"]
    assert not sent(stage.effects, "error")


def test_a_hole_is_waited_for_as_long_as_the_settings_say() -> None:
    stage = Stage(Rules(gap_s=0.5))
    stage.offer(1)
    stage.done("f1")
    assert delivered(stage.wait(0.6)) == ["f1"]


def test_nobody_waits_for_a_hole_behind_which_nothing_is_ready() -> None:
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


# -- the same fragment again -----------------------------------------------------------------------------------------
def test_a_fragment_in_flight_is_acknowledged_again_and_has_one_result() -> None:
    stage = Stage()
    stage.offer(0)
    again = stage.offer(0)
    assert [ack.status for ack in sent(again, "fragment:ack")] == ["processing"]
    assert not started(again)
    assert delivered(stage.done("f0")) == ["f0"]


@pytest.mark.parametrize("status", ["success", "partial", "failed"])
def test_a_fragment_that_is_done_gets_its_result_again(status: Any) -> None:
    stage = Stage()
    stage.offer(0)
    (first,) = [one for one in stage.done("f0", status) if isinstance(one, Deliver)]
    (again,) = stage.offer(0)
    assert isinstance(again, Deliver)
    assert again.result == first.result
    assert (again.audio, again.again) == (first.audio, True)
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert complete.total_fragments == 1


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


def test_a_retry_holds_up_nobody() -> None:
    stage = Stage()
    stage.offer(0)
    stage.done("f0", "failed", retryable=True)
    stage.offer(0)
    stage.offer(1)
    assert delivered(stage.done("f1")) == ["f1"]


def test_the_last_results_are_kept_and_the_audio_of_others_let_go() -> None:
    stage = Stage(Rules(keep_results=2))
    for number in range(3):
        stage.offer(number)
        told = stage.done(f"f{number}")
    assert forgotten(told) == [stage.jobs["f0"]]
    assert error(stage.offer(0)).code == "INVALID_SEQUENCE"
    assert delivered(stage.offer(1)) == ["f1"]


def test_so_much_audio_is_kept() -> None:
    stage = Stage(Rules(keep_bytes=100))
    for number in range(3):
        stage.offer(number)
        told = stage.done(f"f{number}", audio_bytes=60)
    assert forgotten(told) == [stage.jobs["f1"]]


def test_results_are_kept_for_so_long() -> None:
    stage = Stage(Rules(keep_s=10))
    stage.offer(0)
    stage.done("f0")
    assert forgotten(stage.wait(11)) == [stage.jobs["f0"]]


# -- what is wrong with a fragment -----------------------------------------------------------------------------------
BAD: list[tuple[dict[str, Any], str, str | None]] = [
    ({"fragment_id": ""}, "INVALID_CONFIG", "fragment_id"),
    ({"fragment_id": 7}, "INVALID_CONFIG", "fragment_id"),
    ({"sequence_number": -1}, "INVALID_CONFIG", "sequence_number"),
    ({"sequence_number": "0"}, "INVALID_CONFIG", "sequence_number"),
    ({"sequence_number": 1.5}, "INVALID_CONFIG", "sequence_number"),
    ({"timestamp": None}, "INVALID_CONFIG", "timestamp"),
    ({"audio": None}, "INVALID_CONFIG", "audio"),
    ({"audio": "bytes"}, "INVALID_CONFIG", "audio"),
    ({"metadata": []}, "INVALID_CONFIG", "metadata"),
]
BAD_AUDIO: list[tuple[dict[str, Any], str, str]] = [
    ({"duration_ms": 60_001}, "INVALID_CONFIG", "audio.duration_ms"),
    ({"channels": 3}, "INVALID_CONFIG", "audio.channels"),
    ({"sample_rate_hz": 7_999}, "INVALID_CONFIG", "audio.sample_rate_hz"),
    ({"data_base64": ""}, "INVALID_CONFIG", "audio.data_base64"),
    ({"data_base64": 5}, "INVALID_CONFIG", "audio.data_base64"),
    ({"format": "mp3"}, "INVALID_AUDIO_FORMAT", "audio.format"),
    ({"data_base64": "not base64!"}, "INVALID_AUDIO_FORMAT", "audio.data_base64"),
    ({"data_base64": "A" * (MAX_AUDIO_BASE64 + 1)}, "FRAGMENT_TOO_LARGE", "audio.data_base64"),
]


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        *((fragment(0) | wrong, code, field) for wrong, code, field in BAD),
        *((fragment(0) | {"audio": fragment(0)["audio"] | wrong}, code, field) for wrong, code, field in BAD_AUDIO),
        (None, "INVALID_CONFIG", None),
        ("text", "INVALID_CONFIG", None),
        ([fragment(0)], "INVALID_CONFIG", None),
        (5, "INVALID_CONFIG", None),
    ],
    ids=str,
)
def test_a_bad_fragment_is_refused_and_the_stream_lives(payload: Any, code: str, field: str | None) -> None:
    stage = Stage()
    refused = error(stage.offer_raw(payload))
    assert (refused.code, refused.retryable, refused.stream_id) == (code, False, "s")
    assert refused.details.get("param") == field
    assert refused.metadata == refused.details
    assert refused.message
    assert stage.stream.in_flight == 0
    assert started(stage.offer(0)) == ["f0"], "the number was not used up"


def test_ten_mebibytes_are_not_too_large() -> None:
    stage = Stage()
    audio = fragment(0)["audio"] | {"data_base64": "AAAA" * (MAX_AUDIO_BASE64 // 4)}
    assert started(stage.offer(0, audio=audio)) == ["f0"]


# -- backpressure ----------------------------------------------------------------------------------------------------
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
    stage = Stage(Rules(thresholds=Thresholds(1, 2, 3, 5)))
    told = [(number, one) for number in range(5) for one in sent(stage.offer(number), "backpressure")]
    assert [(one.current_inflight, one.severity, one.threshold_exceeded) for _, one in told] == [
        (2, "medium", "medium"),
        (3, "high", "high"),
        (4, "high", "high"),
    ]
    assert error(stage.offer(5)).code == "BACKPRESSURE_EXCEEDED"


@pytest.mark.parametrize("bands", [(0, 6, 10, 10), (6, 6, 10, 10), (3, 10, 10, 10), (3, 6, 10, 9)])
def test_thresholds_that_do_not_ascend_are_refused_by_name(bands: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidRequest, match="must ascend") as refused:
        Thresholds(*bands)
    assert refused.value.param == "dubbing_backpressure_low"


def test_held_results_count_as_in_flight() -> None:
    stage = Stage()
    for number in range(1, 11):
        stage.offer(number)
        stage.done(f"f{number}")
    assert error(stage.offer(0)).code == "BACKPRESSURE_EXCEEDED"
    last = sent(stage.effects, "backpressure")[-1]
    assert last.queue_depth == 1, "the others wait for number 0, not for work"


def test_fragments_of_a_minute_are_limited_where_keys_are() -> None:
    stage = Stage(Rules(fragments_per_min=2))
    for number in range(2):
        stage.offer(number)
        stage.done(f"f{number}")
    refused = error(stage.offer(2))
    assert (refused.code, refused.retryable) == ("RATE_LIMIT", True)
    stage.now += 61
    assert started(stage.offer(2)) == ["f2"]


# -- time ------------------------------------------------------------------------------------------------------------
def test_a_fragment_that_takes_too_long_is_given_up() -> None:
    stage = Stage(timeout_ms=1000)
    stage.offer(0)
    assert not stage.wait(1.2), "who works on it speaks first"
    told = stage.wait(0.1)
    assert cancelled(told) == [stage.jobs["f0"]]
    (result,) = [one.result for one in told if isinstance(one, Deliver)]
    assert (result.status, result.error.code, result.error.retryable) == ("failed", "TIMEOUT", True)
    assert forgotten(stage.done("f0")) == [stage.jobs["f0"]], "what comes too late is dropped"


# -- connections that are lost ---------------------------------------------------------------------------------------
def test_a_stream_that_is_taken_up_goes_on_where_it_was() -> None:
    stage = Stage()
    for number in range(3):
        stage.offer(number)
    stage.done("f0")
    stage.lose()
    assert not delivered(stage.done("f1")), "nobody is there"
    stage.begin()
    known = stage.offer(1)
    assert (delivered(known), started(known)) == (["f1"], [])
    under_way = stage.offer(2)
    assert ([ack.status for ack in sent(under_way, "fragment:ack")], started(under_way)) == (["processing"], [])
    assert delivered(stage.done("f2")) == ["f2"]
    stage.offer(3)
    assert delivered(stage.done("f3")) == ["f3"]
    assert not sent(stage.effects, "error")


def test_a_stream_that_is_taken_up_may_count_from_nought_again() -> None:
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


def test_a_result_from_memory_keeps_its_audio_until_it_is_delivered() -> None:
    stage = Stage(Rules(keep_bytes=25))
    for number in (0, 2, 3):
        stage.offer(number)
        stage.done(f"f{number}")
    stage.lose()
    stage.begin()
    for number in (2, 3):
        stage.offer(number)
    stage.offer(1)
    told = stage.done("f1", audio_bytes=20)
    gone: set[str] = set()
    for effect in stage.effects:
        gone |= set(forgotten([effect]))
        if isinstance(effect, Deliver):
            assert effect.audio not in gone
    assert delivered(told)[-2:] == ["f2", "f3"] or delivered(stage.wait(9))[-2:] == ["f2", "f3"]


def test_another_configuration_knows_nothing_of_what_was_made_before() -> None:
    stage = Stage()
    for number in range(2):
        stage.offer(number)
    stage.done("f0")
    stage.lose()
    began = stage.begin(config={**CONFIG, "target_language": "fr"})
    assert forgotten(began) == [stage.jobs["f0"]]
    assert len(cancelled(began)) == 1
    assert started(stage.offer(0)) == ["f0"]


def test_the_time_of_a_fragment_that_was_taken_over_began_when_it_first_came() -> None:
    stage = Stage()
    stage.offer(0)
    stage.now += 2
    stage.lose()
    stage.begin()
    stage.offer(0)
    stage.now += 1
    (result,) = [one.result for one in stage.done("f0") if isinstance(one, Deliver)]
    assert result.processing_time_ms == 3000


def test_who_has_sent_all_and_leaves_wants_nothing_any_more() -> None:
    stage = Stage()
    stage.offer(0)
    stage.offer(1)
    stage.end()
    assert cancelled(stage.lose()) == [stage.jobs["f0"], stage.jobs["f1"]]


def test_fragments_of_lost_connections_are_given_up_in_time() -> None:
    stage = Stage(timeout_ms=1000)
    stage.offer(0)
    stage.lose()
    assert cancelled(stage.wait(2)) == [stage.jobs["f0"]]


def test_who_leaves_again_and_again_does_not_pile_up_work() -> None:
    stage = Stage()
    for visit in range(3):
        for number in range(10):
            stage.offer(number, f"v{visit}-{number}")
        stage.lose()
        assert len(stage.stream.state.orphans) == 10
        stage.begin()


# -- echo mode -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "fails"),
    [
        (SimulationRule(trigger="sequence_number", value=1, error_code="TIMEOUT"), ["f1"]),
        (SimulationRule(trigger="fragment_id", value="f2", error_code="MODEL_ERROR", stage="tts"), ["f2"]),
        (SimulationRule(trigger="nth_fragment", value=2, error_code="X", retryable=False), ["f1", "f3"]),
    ],
    ids=lambda one: getattr(one, "trigger", ""),
)
def test_fragments_fail_as_the_worker_wishes(rule: SimulationRule, fails: list[str]) -> None:
    stage = Stage()
    (ack,) = sent(stage.tell(Simulated(ErrorSimulation(enabled=True, rules=(rule,)))), "config:error_simulation:ack")
    assert (ack.status, ack.rules_count) == ("accepted", 1)
    for number in range(4):
        stage.offer(number)
        if f"f{number}" in stage.jobs:
            stage.done(f"f{number}")
    results = [one.result for one in stage.effects if isinstance(one, Deliver)]
    assert [one.fragment_id for one in results] == ["f0", "f1", "f2", "f3"]
    assert [one.fragment_id for one in results if one.status == "failed"] == fails
    failed = next(one for one in results if one.status == "failed")
    assert (failed.error.code, failed.error.stage) == (rule.error_code, rule.stage)
    assert failed.error.retryable is rule.retryable


def test_rules_are_switched_off() -> None:
    stage = Stage()
    rule = SimulationRule(trigger="sequence_number", value=0, error_code="TIMEOUT")
    stage.tell(Simulated(ErrorSimulation(enabled=False, rules=(rule,))))
    assert started(stage.offer(0)) == ["f0"]


def test_a_result_of_an_unknown_job_is_dropped() -> None:
    assert forgotten(Stage().tell(Done("nobody", "success"))) == ["nobody"]
