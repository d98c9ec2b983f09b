"""Turns of speech: where they begin and end, and the commit of the input buffer."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    MANUAL,
    answer,
    strict_world,
    updated,
)

VAD = {"type": "server_vad"}
WINDOW_MS = 32


def test_committed_audio_leaves_the_buffer_after_its_transcription_started() -> None:
    world = strict_world()
    updated(world, audio={"input": {"turn_detection": None}})
    for number in range(1, 4):
        world.append(500)
        world.send("input_audio_buffer.commit")
        kinds = [type(effect) for effect in world.effects]
        assert world.started(effects.ForgetInput)[-1] == effects.ForgetInput(number * 500 * MS, is_break=True)
        assert kinds.index(effects.StartTranscription) < kinds.index(effects.ForgetInput), "it is heard first"
    world = strict_world()
    world.speak()
    ended = world.machine.state.buffer.start
    assert effects.ForgetInput(ended) in world.effects


@pytest.mark.parametrize("detection", [None, {"type": "semantic_vad"}, {"type": "server_vad", "idle_timeout_ms": None}])
def test_an_idle_timeout_that_was_removed_does_not_come(detection: Any) -> None:
    world = strict_world()
    patient = {"type": "server_vad", "idle_timeout_ms": 1000}
    updated(world, audio={"input": {"turn_detection": patient}}, output_modalities=["text"])
    world.say_text()
    answer(world)
    updated(world, audio={"input": {"turn_detection": detection}})
    world.advance(30)
    assert "input_audio_buffer.timeout_triggered" not in world.types()


@pytest.mark.parametrize(
    ("detection", "start_ms", "stop_ms"),
    [
        ({"prefix_padding_ms": 0}, 992, 2496),
        ({"prefix_padding_ms": 60_000}, 0, 2496),
        ({"silence_duration_ms": 0}, 692, 2016),
        ({"silence_duration_ms": 60_000}, 692, None),
        ({"threshold": 0}, 692, 2496),
        ({"threshold": 1}, None, None),
    ],
    ids=str,
)
def test_the_bounds_of_turn_detection(detection: dict[str, Any], start_ms: int | None, stop_ms: int | None) -> None:
    world = strict_world()
    updated(world, audio={"input": {"turn_detection": {"type": "server_vad", **detection}}})
    world.append(992, 0.0)
    world.append(992, 0.99)
    world.append(992, 0.0)
    starts = [event["audio_start_ms"] for event in world.events if event["type"].endswith("speech_started")]
    stops = [event["audio_end_ms"] for event in world.events if event["type"].endswith("speech_stopped")]
    assert starts == ([] if start_ms is None else [start_ms])
    assert stops == ([] if stop_ms is None else [stop_ms])
    world.finish()
    assert world.types().count("response.done") == len(stops)


def test_a_commit_in_the_middle_of_speech_ends_that_turn_and_the_next_one_is_heard() -> None:
    world = strict_world()
    world.append(1000, 0.9)
    item_id = world.last("input_audio_buffer.speech_started")["item_id"]
    world.send("input_audio_buffer.commit")
    assert world.last("input_audio_buffer.speech_stopped")["audio_end_ms"] == 1000
    assert world.last("input_audio_buffer.committed")["item_id"] == item_id
    world.finish()
    assert "response.created" not in world.types(), "a commit asks for no answer"
    world.append(1000, 0.9)
    world.append(700, 0.01)
    world.finish()
    ids = [event["item_id"] for event in world.events if event["type"] == "input_audio_buffer.committed"]
    assert len(ids) == len(set(ids)) == 2
    assert world.last("response.done")["response"]["status"] == "completed"


def test_speech_started_includes_the_padding_and_never_reaches_before_the_audio() -> None:
    world = strict_world()
    world.append(2000, 0.01)
    world.append(640, 0.9)
    start = world.last("input_audio_buffer.speech_started")["audio_start_ms"]
    assert 1650 <= start <= 1750
    early = strict_world()
    early.append(640, 0.9)
    assert early.last("input_audio_buffer.speech_started")["audio_start_ms"] == 0


def test_manual_commit_makes_an_item_and_no_response() -> None:
    world = strict_world()
    world.send("session.update", session=MANUAL)
    world.append(500)
    world.events.clear()
    world.send("input_audio_buffer.commit")
    world.finish()
    assert world.types() == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    world.send("response.create")
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_empty_commit_is_refused_and_nothing_changes() -> None:
    world = strict_world()
    world.append(50)
    world.events.clear()
    world.send("input_audio_buffer.commit", event_id="mine")
    error = world.last("error")["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["event_id"] == "mine"
    assert world.types() == ["error"]


def test_clear_empties_the_buffer_and_ends_the_turn_in_progress() -> None:
    world = strict_world()
    world.append(640, 0.9)
    world.send("input_audio_buffer.clear")
    assert world.types()[-1] == "input_audio_buffer.cleared"
    world.append(700, 0.01)
    assert "input_audio_buffer.committed" not in world.types()
    world.speak()
    assert world.last("input_audio_buffer.speech_started")["audio_start_ms"] >= 640


def test_switching_detection_off_in_mid_speech_leaves_audio_to_be_committed() -> None:
    world = strict_world()
    world.append(640, 0.9)
    assert world.types()[-1] == "input_audio_buffer.speech_started"
    world.send("session.update", session=MANUAL)
    world.append(500)
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": VAD}}})
    world.append(640, 0.9)
    assert world.last("input_audio_buffer.speech_started")["audio_start_ms"] >= 640 + 500 - 300
    world.append(700, 0.01)
    assert "input_audio_buffer.committed" in world.types()


def test_a_turn_in_progress_continues_under_another_detection() -> None:
    world = strict_world()
    world.append(640, 0.9)
    detection = {"type": "server_vad", "silence_duration_ms": 100}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(160, 0.01)
    assert world.types().count("input_audio_buffer.speech_started") == 1
    assert "input_audio_buffer.committed" in world.types()


def test_scores_of_an_older_stream_do_not_count() -> None:
    world = strict_world()
    world.append(640)
    world.send("input_audio_buffer.clear")
    world.tell(inputs.VoiceScored(0, (0.9,) * 20))
    assert "input_audio_buffer.speech_started" not in world.types()


def test_barge_in_while_the_answer_is_made_stops_it_with_turn_detected() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 2)
    world.events.clear()
    world.append(640, 0.9)
    assert world.types()[0] == "input_audio_buffer.speech_started"
    done = world.last("response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_semantic_vad_asks_the_model_and_ends_when_it_is_sure() -> None:
    world = strict_world()
    detection = {"type": "semantic_vad", "eagerness": "low"}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(300, 0.01)
    assert len(world.started(effects.StartScore)) == 1
    assert "input_audio_buffer.committed" not in world.types()
    world.work()
    assert "input_audio_buffer.committed" in world.types()


@pytest.mark.parametrize(("eagerness", "wait_ms"), [("low", 8000), ("medium", 4000), ("auto", 4000), ("high", 2000)])
def test_semantic_vad_waits_as_long_as_its_eagerness_says(eagerness: str, wait_ms: int) -> None:
    world = strict_world()
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(wait_ms - 100, 0.01)
    job_id = world.started(effects.StartScore)[0].job_id
    world.tell(inputs.TurnScored(job_id, 0.1))
    assert "input_audio_buffer.committed" not in world.types()
    world.append(200, 0.01)
    assert "input_audio_buffer.committed" in world.types()


def test_the_idle_timeout_commits_the_silence_and_answers() -> None:
    world = strict_world()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.say_text()
    world.send("response.create")
    world.finish()
    world.events.clear()
    world.append(7000, 0.01)
    world.advance(6.5)
    assert world.events == [], "the answer lasts 2 s, the wait 5 s"
    world.advance(1)
    assert world.types()[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    timeout = world.last("input_audio_buffer.timeout_triggered")
    assert (timeout["audio_start_ms"], timeout["audio_end_ms"]) == (2000, 7000), "since the answer was heard"


def test_endless_speech_is_committed_before_the_buffer_is_full() -> None:
    world = strict_world(session_rules(max_buffer_s=2.0))
    for _ in range(50):
        world.append(100, 0.9)
    assert "input_audio_buffer.committed" in world.types()
    assert "error" not in world.types()


def test_old_audio_is_dropped_between_turns() -> None:
    world = strict_world(session_rules(max_buffer_s=3.0))
    for _ in range(20):
        world.append(500, 0.01)
    assert "error" not in world.types()
    assert world.started(effects.ForgetInput)


def test_a_late_score_of_an_earlier_silence_ends_no_turn() -> None:
    world = World()
    detection = {"type": "semantic_vad", "eagerness": "low"}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(320, 0.01)
    (score,) = world.started(effects.StartScore)
    world.append(320, 0.9)
    world.tell(inputs.TurnScored(score.job_id, 0.99))
    assert "input_audio_buffer.committed" not in world.types()
    assert world.machine.state.jobs.get(score.job_id) is None


def listened(world: World, ms: int, score: float) -> None:
    """Audio in frames of 20 ms; every window is scored with the frame that completes it."""
    buffer = world.machine.state.buffer
    for _ in range(ms // 20):
        world.append(20)
        whole = (buffer.written - buffer.scored) // (WINDOW_MS * MS)
        if whole:
            world.tell(inputs.VoiceScored(buffer.stream, (score,) * whole))


@pytest.mark.parametrize("silence_ms", [200, 300, 490, 500, 512])
def test_a_turn_ends_with_the_last_millisecond_of_its_silence(silence_ms: int) -> None:
    world = World()
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    listened(world, 640, 0.9)  # whole windows and whole frames
    silent_ms = 0
    while "input_audio_buffer.speech_stopped" not in world.types():
        listened(world, 20, 0.0)
        silent_ms += 20
    assert silent_ms == -(-silence_ms // 20) * 20
    heard_ms = world.last("input_audio_buffer.speech_stopped")["audio_end_ms"] - 640
    assert silence_ms - WINDOW_MS < heard_ms <= silent_ms
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_turn_does_not_end_while_a_whole_window_is_not_scored() -> None:
    world = World()
    listened(world, 640, 0.9)
    listened(world, 480, 0.0)
    world.append(60)
    assert "input_audio_buffer.speech_stopped" not in world.types()
    world.tell(inputs.VoiceScored(world.machine.state.buffer.stream, (0.9,)))
    assert "input_audio_buffer.speech_stopped" not in world.types(), "speech has continued"
    listened(world, 520, 0.0)
    assert world.types().count("input_audio_buffer.speech_stopped") == 1


def test_the_idle_timeout_does_not_commit_while_a_response_is_in_progress() -> None:
    world = strict_world()
    detection = {"type": "server_vad", "idle_timeout_ms": 1000}
    updated(world, audio={"input": {"turn_detection": detection}}, output_modalities=["text"])
    world.say_text()
    answer(world)
    world.send("response.create")
    world.advance(30)
    assert "input_audio_buffer.timeout_triggered" not in world.types()
    world.finish()
    world.advance(1.1)
    assert world.types().count("input_audio_buffer.timeout_triggered") == 1
