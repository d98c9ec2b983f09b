"""The stream machine, rule by rule."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec import UNSET

from antiphon.dubbing.inputs import Ended, Paused
from antiphon.wire.dubbing_client import MAX_AUDIO_BASE64, StreamCommand
from tests.options import stream_rules
from tests.unit.dubbing.schedules import Schedule
from tests.unit.dubbing.stages import (
    CONFIG,
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

BATCHES = 5
SCHEDULES_PER_BATCH = 200


# -- life ------------------------------------------------------------------------------------------------------------
def test_a_stream_is_ready_and_says_what_it_can() -> None:
    (ready,) = sent(Stage(max_inflight=5).effects, "stream:ready")
    assert (ready.stream_id, ready.session_id, ready.max_inflight) == ("s", "session1", 5)
    assert ready.capabilities == ("asr", "translation", "tts", "duration_matching", "async_delivery")
    assert ready.server_capabilities.async_delivery


@pytest.mark.parametrize(("form", "has_array", "has_sibling"), [("array", True, False), ("object", False, False)])
def test_the_form_of_the_capabilities_can_be_chosen(form: Any, has_array: bool, has_sibling: bool) -> None:
    (ready,) = sent(Stage(stream_rules(capabilities=form)).effects, "stream:ready")
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


def test_a_stream_begins_again_only_when_nothing_is_in_flight() -> None:
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


def test_after_its_end_a_stream_may_begin_again_from_zero() -> None:
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


# -- connections that are lost ---------------------------------------------------------------------------------------
def test_a_stream_that_is_resumed_continues_where_it_was() -> None:
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


# -- random schedules --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("batch", range(BATCHES))
def test_results_are_delivered_in_order_each_once_and_no_gap_is_hidden(batch: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(batch * SCHEDULES_PER_BATCH, (batch + 1) * SCHEDULES_PER_BATCH):
        schedule = Schedule(seed)
        schedule.run()
        first = [one.result.sequence_number for one in schedule.results if not one.again]
        assert first == sorted(set(first)), seed
        missed = {number for expected, received in schedule.gaps for number in range(expected, received)}
        top = max(first, default=-1)
        assert set(range(top + 1)) - set(first) == missed, seed
        assert set(first) == schedule.accepted, seed
        last = {one.result.sequence_number: one.result.status for one in schedule.results}
        complete = schedule.complete
        assert complete.total_fragments == len(first), seed
        counted = Counter(last.values())
        assert (complete.success_count, complete.partial_count, complete.failed_count) == (
            counted["success"],
            counted["partial"],
            counted["failed"],
        ), seed
        assert sum(complete.error_breakdown.by_code.values()) == complete.failed_count
        assert not schedule.jobs
        seen.update(
            gaps=len(schedule.gaps),
            again=sum(one.again for one in schedule.results),
            high="high" in schedule.severities,
            timeouts=sum("TIMEOUT" in repr(one.result.error) for one in schedule.results),
        )
    assert min(seen.values()) > 10, f"the schedules cover all cases: {seen}"
    assert len(seen) == 4


def test_the_same_schedule_gives_the_same_trace() -> None:
    first, second = Schedule(7), Schedule(7)
    first.run()
    second.run()
    assert repr(first.stage.effects) == repr(second.stage.effects)
