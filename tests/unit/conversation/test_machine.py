"""Whole conversations on the machine: the documented sequences, and what happens when they cross."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs, snapshot
from antiphon.conversation.state import Rules
from antiphon.ports.limiter import Allowance
from tests.contract.recorder import check_server_event
from tests.options import session_rules
from tests.simulation import World as AnyWorld

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
TEXT = {"type": "realtime", "output_modalities": ["text"]}
VAD = {"type": "server_vad"}
MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


def World(rules: Rules | None = None, **options: Any) -> AnyWorld:  # noqa: N802 - stands for the class
    """A world that holds every event against the contract."""
    return AnyWorld(rules, contract=check_server_event, **options)


def compact(types: list[str]) -> list[str]:
    """Neighbouring equal types count once."""
    return [kind for index, kind in enumerate(types) if index == 0 or types[index - 1] != kind]


def started(world: AnyWorld) -> AnyWorld:
    world.events.clear()
    return world


def test_a_text_turn_runs_in_the_documented_order() -> None:
    world = World()
    world.send("session.update", session=TEXT)
    started(world)
    world.say_text()
    world.send("response.create")
    world.finish()
    assert compact(world.types()) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = world.last("response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "It is noon. The sun is high. "}]
    assert done["usage"]["total_tokens"] == 16


def test_an_audio_turn_runs_in_the_documented_order() -> None:
    world = World()
    transcription = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    world.send("session.update", session=transcription)
    started(world)
    world.speak()
    world.finish()
    assert compact(world.types()) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    ids = {world.last(kind)["item_id"] for kind in world.types() if kind.startswith("input_audio_buffer.")}
    ids.add(world.last("conversation.item.input_audio_transcription.completed")["item_id"])
    assert len(ids) == 1, "one item id spans speech_started … transcription"
    assert world.request().messages[-1].text == "what time is it"


def test_speech_started_includes_the_padding_and_never_reaches_before_the_audio() -> None:
    world = World()
    world.append(2000, 0.01)
    world.append(640, 0.9)
    start = world.last("input_audio_buffer.speech_started")["audio_start_ms"]
    assert 1650 <= start <= 1750
    early = World()
    early.append(640, 0.9)
    assert early.last("input_audio_buffer.speech_started")["audio_start_ms"] == 0


def test_noise_yields_an_empty_transcript_and_no_answer() -> None:
    world = World()
    world.heard = ""
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {}}}})
    world.speak()
    world.finish()
    completed = world.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == ""
    assert not [kind for kind in world.types() if kind.startswith("response.")]


def test_manual_commit_makes_an_item_and_no_response() -> None:
    world = World()
    world.send("session.update", session=MANUAL)
    world.append(500)
    started(world)
    world.send("input_audio_buffer.commit")
    world.finish()
    assert world.types() == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    world.send("response.create")
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_explicit_response_is_announced_at_once_and_waits_for_the_transcript() -> None:
    world = World()
    world.send("session.update", session=MANUAL)
    world.append(500)
    world.send("input_audio_buffer.commit")
    world.send("response.create", response={"metadata": {"client_event_id": "7"}})
    assert world.last("response.created")["response"]["metadata"] == {"client_event_id": "7"}
    assert not world.started(effects.StartAnswer)
    world.finish()
    assert world.last("response.done")["response"]["metadata"] == {"client_event_id": "7"}


def test_an_empty_commit_is_refused_and_nothing_changes() -> None:
    world = World()
    world.append(50)
    started(world)
    world.send("input_audio_buffer.commit", event_id="mine")
    error = world.last("error")["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["event_id"] == "mine"
    assert world.types() == ["error"]


def test_clear_empties_the_buffer_and_ends_the_turn_under_way() -> None:
    world = World()
    world.append(640, 0.9)
    world.send("input_audio_buffer.clear")
    assert world.types()[-1] == "input_audio_buffer.cleared"
    world.append(700, 0.01)
    assert "input_audio_buffer.committed" not in world.types()
    world.speak()
    assert world.last("input_audio_buffer.speech_started")["audio_start_ms"] >= 640


def test_switching_detection_off_in_mid_speech_leaves_audio_to_be_committed() -> None:
    world = World()
    world.append(640, 0.9)
    assert world.types()[-1] == "input_audio_buffer.speech_started"
    world.send("session.update", session=MANUAL)
    world.append(500)
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": VAD}}})
    world.append(640, 0.9)
    assert world.last("input_audio_buffer.speech_started")["audio_start_ms"] >= 640 + 500 - 300
    world.append(700, 0.01)
    assert "input_audio_buffer.committed" in world.types()


def test_a_turn_under_way_goes_on_under_another_detection() -> None:
    world = World()
    world.append(640, 0.9)
    detection = {"type": "server_vad", "silence_duration_ms": 100}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(160, 0.01)
    assert world.types().count("input_audio_buffer.speech_started") == 1
    assert "input_audio_buffer.committed" in world.types()


def test_scores_of_an_older_stream_do_not_count() -> None:
    world = World()
    world.append(640)
    world.send("input_audio_buffer.clear")
    world.tell(inputs.VoiceScored(0, (0.9,) * 20))
    assert "input_audio_buffer.speech_started" not in world.types()


def test_a_function_call_is_streamed_answered_and_continued() -> None:
    world = World()
    world.send("session.update", session={**TEXT, "tools": [TOOL], "tool_choice": "required"})
    world.say_text()
    started(world)
    world.send("response.create")
    world.finish()
    assert compact(world.types()) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    call = world.last("response.output_item.done")["item"]
    assert (call["status"], call["name"], call["arguments"]) == ("completed", "look", '{"a":1}')
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
    world.send("conversation.item.create", item=output)
    world.send("response.create", response={"tool_choice": "none"})
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
    asked = world.request().messages
    assert asked[-2].tool_calls[0].name == "look"
    assert (asked[-1].role, asked[-1].text) == ("tool", "42")


def test_cancel_closes_what_is_open_and_nothing_follows() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 3)
    world.work(answer.speak_job_id, 1)
    started(world)
    world.send("response.cancel")
    assert world.types() == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = world.last("response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"][0]["status"] == "incomplete"
    started(world)
    world.finish()
    assert world.events == []
    assert world.speech == set()
    assert {effect.job_id for effect in world.started(effects.CancelJob)} == {answer.job_id, answer.speak_job_id}


@pytest.mark.parametrize("conversation", ["auto", "none"])
@pytest.mark.parametrize(
    ("ending", "status"), [("cancel", "cancelled"), ("length", "incomplete"), ("stop", "completed")]
)
def test_a_response_shows_its_items_as_their_own_events_did(conversation: str, ending: str, status: str) -> None:
    world = World()
    world.say_text()
    world.finish_reason = "length" if ending == "length" else "stop"
    world.send("response.create", response={"conversation": conversation})
    if ending == "cancel":
        world.work(next(iter(world.jobs)), 1)
        world.send("response.cancel", response_id=next(iter(world.client.open)))
    else:
        world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == status
    (shown,) = done["output"]
    assert shown == world.last("response.output_item.done")["item"]
    assert shown["status"] == ("completed" if status == "completed" else "incomplete")


def test_cancel_without_an_answer_is_a_harmless_error() -> None:
    world = World()
    world.send("response.cancel", event_id="c")
    error = world.last("error")["error"]
    assert error["code"] == "response_cancel_not_active"
    assert error["message"].startswith("Cancellation failed")


def test_a_second_answer_is_refused_while_one_is_under_way() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.send("response.create", event_id="second")
    error = world.last("error")["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"


def test_out_of_band_answers_beside_the_conversation() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    started(world)
    own = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "aside"}]}]
    world.send(
        "response.create",
        response={"conversation": "none", "input": own, "metadata": {"topic": "x"}, "output_modalities": ["text"]},
    )
    aside = world.last("response.created")["response"]
    assert aside["conversation_id"] is None
    assert [message.text for message in world.request().messages if message.role == "user"] == ["aside"]
    world.finish()
    done = [event["response"] for event in world.events if event["type"] == "response.done"]
    assert {response["status"] for response in done} == {"completed"}
    assert {response["conversation_id"] is None for response in done} == {True, False}
    added = [event for event in world.events if event["type"] == "conversation.item.added"]
    assert len(added) == 1, "the aside never enters the conversation"


def test_barge_in_cancels_and_the_clients_truncate_wins() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.advance(0.7)
    world.append(640, 0.9)
    assert not world.started(effects.CutAudio)
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 1000
    world.send("conversation.item.retrieve", item_id=item_id)
    assert world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "It is noon."
    started(world)
    world.advance(5)
    assert world.events == [], "the estimate no longer counts"


def test_barge_in_without_a_truncate_is_cut_to_the_estimate() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.advance(1.1)
    world.append(640, 0.9)
    world.advance(1.9)
    assert "conversation.item.truncated" not in world.types()
    world.advance(0.2)
    cut = world.last("conversation.item.truncated")
    assert (cut["item_id"], cut["audio_end_ms"]) == (item_id, 1100)


def test_the_model_is_shown_only_what_was_heard_even_before_the_estimate_is_final() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    world.advance(1.05)
    world.speak()
    world.finish()
    spoken = [message.text for message in world.request().messages if message.role == "assistant"]
    assert spoken == ["It is noon."]


def test_barge_in_while_the_answer_is_made_stops_it_with_turn_detected() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 2)
    started(world)
    world.append(640, 0.9)
    assert world.types()[0] == "input_audio_buffer.speech_started"
    done = world.last("response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_without_interrupt_response_the_answer_goes_on_and_the_turn_is_answered_after_it() -> None:
    world = World()
    detection = {"type": "server_vad", "interrupt_response": False}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.say_text()
    world.send("response.create")
    world.speak()
    assert "response.done" not in world.types()
    world.finish()
    done = [event["response"]["status"] for event in world.events if event["type"] == "response.done"]
    assert done == ["completed", "completed"]


def test_truncate_beyond_the_end_is_clamped_and_acknowledged() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=99_999)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 2000
    assert "error" not in world.types()


def test_truncating_an_answer_under_way_ends_it_and_keeps_the_cut() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 6)
    world.work(answer.speak_job_id, 3)
    item_id = world.last("response.output_item.added")["item"]["id"]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert world.types()[-2:] == ["response.done", "conversation.item.truncated"]
    assert world.last("response.done")["response"]["status_details"]["reason"] == "client_cancelled"
    world.finish()
    world.advance(5)
    world.send("conversation.item.retrieve", item_id=item_id)
    assert world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "It is noon."
    assert world.types().count("conversation.item.truncated") == 1


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"item_id": "nobody", "content_index": 0}, "item_truncate_invalid_item_id", "item_id"),
        ({"item_id": "USER", "content_index": 0}, "item_truncate_invalid_item", "item_id"),
        ({"item_id": "ANSWER", "content_index": 3}, "item_truncate_invalid_content_index", "content_index"),
    ],
)
def test_a_wrong_truncate_names_the_field(fields: dict[str, Any], code: str, param: str) -> None:
    world = World()
    user = world.say_text()
    world.send("response.create")
    world.finish()
    known = {"USER": user, "ANSWER": world.last("response.output_item.done")["item"]["id"]}
    fields["item_id"] = known.get(fields["item_id"], fields["item_id"])
    world.send("conversation.item.truncate", audio_end_ms=10, **fields)
    error = world.last("error")["error"]
    assert (error["code"], error["param"]) == (code, param)


def test_semantic_vad_asks_the_model_and_ends_when_it_is_sure() -> None:
    world = World()
    detection = {"type": "semantic_vad", "eagerness": "low"}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(300, 0.01)
    assert len(world.started(effects.StartScore)) == 1
    assert "input_audio_buffer.committed" not in world.types()
    world.work()
    assert "input_audio_buffer.committed" in world.types()


@pytest.mark.parametrize(("eagerness", "wait_ms"), [("low", 8000), ("medium", 4000), ("auto", 4000), ("high", 2000)])
def test_semantic_vad_gives_up_waiting_by_eagerness(eagerness: str, wait_ms: int) -> None:
    world = World()
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(wait_ms - 100, 0.01)
    job_id = world.started(effects.StartScore)[0].job_id
    world.tell(inputs.TurnScored(job_id, 0.1))
    assert "input_audio_buffer.committed" not in world.types()
    world.append(200, 0.01)
    assert "input_audio_buffer.committed" in world.types()


def test_a_score_about_an_older_silence_does_not_end_the_turn() -> None:
    world = World()
    detection = {"type": "semantic_vad"}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.append(1000, 0.9)
    world.append(300, 0.01)
    stale = world.started(effects.StartScore)[0].job_id
    world.append(300, 0.9)
    world.append(300, 0.01)
    world.tell(inputs.TurnScored(stale, 0.99))
    assert "input_audio_buffer.committed" not in world.types()


def test_the_idle_time_out_commits_the_silence_and_answers() -> None:
    world = World()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.say_text()
    world.send("response.create")
    world.finish()
    started(world)
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


def test_pacing_keeps_the_lead_small_and_ends_after_the_last_sound() -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    world.say_text()
    world.send("response.create")
    world.finish()
    assert world.types().count("response.output_audio.delta") == 1
    assert "response.done" not in world.types()
    world.advance(0.55)
    assert world.types().count("response.output_audio.delta") == 2
    world.advance(3)
    assert world.types().count("response.output_audio.delta") == 4
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_cancelled_paced_answer_drops_what_was_held() -> None:
    world = World(session_rules(pace=True))
    world.say_text()
    world.send("response.create")
    world.finish()
    world.send("response.cancel")
    started(world)
    world.advance(5)
    assert [kind for kind in world.types() if kind != "conversation.item.truncated"] == []
    assert world.speech == set()


def test_a_speculative_answer_is_held_until_the_turn_is_sure() -> None:
    world = World(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    assert len(world.started(effects.StartAnswer)) == 1
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.append(400, 0.01)
    types = world.types()
    assert types.index("input_audio_buffer.committed") < types.index("response.created")
    assert types[-1] == "response.done", "all was ready: it comes with the commit"
    assert len(world.started(effects.StartAnswer)) == 1
    assert world.speech == set()


def test_a_speculative_answer_is_dropped_without_a_trace_when_speech_goes_on() -> None:
    world = World(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    first = world.started(effects.StartAnswer)[0]
    world.append(320, 0.9)
    assert {effect.job_id for effect in world.started(effects.CancelJob)} >= {first.job_id, first.speak_job_id}
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    assert world.speech == set()
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_failed_model_fails_the_response_without_an_error_event() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.fail(world.started(effects.StartAnswer)[-1].job_id)
    done = world.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "provider_unavailable"
    assert "error" not in world.types()


def test_a_failed_speaker_leaves_an_answer_in_words() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.fail(answer.speak_job_id)
    world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"].startswith("It is noon.")
    assert "error" not in world.types()


def test_a_failed_transcription_keeps_the_item_and_answers_nothing() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {}}}})
    world.speak()
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    failed = world.last("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "provider_unavailable"
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.send("conversation.item.retrieve", item_id=failed["item_id"])
    assert world.types()[-1] == "conversation.item.retrieved"


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_cut_short_is_incomplete_with_its_reason(finish: str, reason: str) -> None:
    world = World()
    world.send("session.update", session=TEXT)
    world.say_text()
    world.send("response.create", response={"max_output_tokens": 5})
    assert world.request().max_tokens == 5
    job = world.started(effects.StartAnswer)[-1].job_id
    world.tell(inputs.TextMade(job, "cut"))
    world.tell(inputs.AnswerMade(job, finish))
    done = world.last("response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", reason)


def test_a_used_up_limit_refuses_the_client_and_fails_a_turn() -> None:
    world = World()
    world.tell(inputs.AllowanceChanged((Allowance("requests", 5, 1, 30.0),)))
    world.say_text()
    world.send("response.create")
    assert world.last("rate_limits.updated")["rate_limits"][0]["remaining"] == 0
    assert world.types().index("rate_limits.updated") == world.types().index("response.created") + 1
    assert effects.Charge(requests=1) in world.effects
    world.finish()
    world.tell(inputs.AllowanceChanged((Allowance("requests", 5, 0, 30.0),)))
    world.send("response.create", event_id="over")
    error = world.last("error")["error"]
    assert (error["type"], error["code"], error["event_id"]) == ("rate_limit_error", "rate_limit_exceeded", "over")
    world.speak()
    world.finish()
    failed = world.last("response.done")["response"]
    assert failed["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"


def test_a_session_ends_at_its_time_with_an_error_and_code_1001() -> None:
    world = World(lasts_s=60)
    world.say_text()
    world.send("response.create")
    world.advance(61)
    assert world.last("error")["error"]["code"] == "session_expired"
    close = world.started(effects.Close)[0]
    assert (close.code, close.reason) == (1001, "Your session hit the maximum duration of 1 minutes.")
    assert world.last("response.done")["response"]["status"] == "cancelled"
    started(world)
    world.finish()
    assert world.events == []
    assert world.speech == set()


def test_a_transcription_session_never_answers() -> None:
    world = World(transcribes=True)
    assert world.events[0]["session"]["type"] == "transcription"
    world.speak()
    world.finish()
    assert "conversation.item.input_audio_transcription.completed" in world.types()
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.send("response.create", event_id="r")
    assert world.last("error")["error"]["event_id"] == "r"


def test_endless_speech_is_committed_before_the_buffer_is_full() -> None:
    world = World(session_rules(max_buffer_s=2.0))
    for _ in range(50):
        world.append(100, 0.9)
    assert "input_audio_buffer.committed" in world.types()
    assert "error" not in world.types()


def test_old_audio_is_forgotten_while_nobody_speaks() -> None:
    world = World(session_rules(max_buffer_s=3.0))
    for _ in range(20):
        world.append(500, 0.01)
    assert "error" not in world.types()
    assert world.started(effects.ForgetInput)


def test_a_snapshot_stays_small_beside_its_items() -> None:
    world = World()
    for _ in range(3):
        world.speak()
        world.finish()
    state = snapshot.load(snapshot.dump(world.machine.state))
    state.records.clear()
    assert len(snapshot.dump(state)) <= 32 * 1024


def test_a_recorded_session_replays_to_the_same_bytes() -> None:
    world = World()
    world.speak()
    world.finish()
    world.advance(1)
    world.speak()
    world.finish()
    assert world.replay() == world.raw


def test_two_hundred_turns_stay_answered() -> None:
    world = AnyWorld(session_rules(max_items=50))
    for number in range(200):
        world.say_text(f"turn {number}")
        assert world.machine.state.records[-1].item.content[0].text == f"turn {number}"
        world.send("response.create")
        world.finish()
        assert world.last("response.done")["response"]["status"] == "completed"
        if len(world.machine.state.records) >= 49:
            world.send("conversation.item.delete", item_id=world.machine.state.records[0].item.id)
            world.send("conversation.item.delete", item_id=world.machine.state.records[0].item.id)
