"""What happens seldom: results that come too late, answers that say nothing, configurations that nobody sends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.conversation import effects, inputs
from antiphon.wire import realtime_codec
from tests.options import session_rules
from tests.simulation import MS, World

TOOLS = [{"type": "function", "name": "get_time"}]


def answering(world: World) -> Any:
    """Ask something; returns the answer's jobs."""
    world.say_text()
    world.send("response.create")
    return world.started(effects.StartAnswer)[-1]


def errors(world: World) -> list[str]:
    return [f"{event['error']['code']} {event['error']['param']}" for event in world.events if event["type"] == "error"]


# -- what was heard ----------------------------------------------------------------------------------------------------
def test_an_answer_that_was_heard_to_its_end_is_not_cut() -> None:
    world = World()
    answering(world)
    world.finish()
    world.advance(60)
    world.append(1000, 0.9)
    world.advance(5)
    assert world.machine.state.cuts == []
    assert "conversation.item.truncated" not in world.types()


def test_two_interrupted_answers_are_cut_each_in_its_time() -> None:
    world = World()
    world.made_audio(answering(world).speak_job_id, 5000 * MS, "It is noon.")
    world.advance(0.5)
    world.speak()
    world.work(world.started(effects.StartTranscription)[-1].job_id)
    world.made_audio(world.started(effects.StartAnswer)[-1].speak_job_id, 5000 * MS, "It is noon.")
    world.advance(0.5)
    world.append(1000, 0.9)
    first, second = world.machine.state.cuts
    world.advance(1.6)
    cut = [event["item_id"] for event in world.events if event["type"] == "conversation.item.truncated"]
    assert (cut, world.machine.state.cuts) == ([first], [second])
    world.advance(2)
    assert world.last("conversation.item.truncated")["item_id"] == second


def test_an_interrupted_item_that_the_client_deletes_is_not_cut_any_more() -> None:
    world = World()
    answering(world)
    world.finish()
    world.append(1000, 0.9)
    (item_id,) = world.machine.state.cuts
    world.send("conversation.item.delete", item_id=item_id)
    world.advance(5)
    assert world.machine.state.cuts == []
    assert "conversation.item.truncated" not in world.types()


def test_what_was_not_sent_of_a_cut_answer_was_not_heard_but_a_client_that_has_truncated_knows_best() -> None:
    world = World()
    world.made_audio(answering(world).speak_job_id, 5000 * MS, "It is noon and the sun stands high.")
    world.advance(2.0)
    world.append(1000, 0.9)
    (item_id,) = world.machine.state.cuts
    world.tell(inputs.Unsent(item_id, 4500 * MS))
    assert effects.CutAudio(item_id, 500 * MS) in world.effects
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=300)
    world.tell(inputs.Unsent(item_id, 400 * MS))
    world.tell(inputs.Unsent("nobody", 400 * MS))
    cuts = [effect for effect in world.effects if isinstance(effect, effects.CutAudio)]
    assert cuts[-1] == effects.CutAudio(item_id, 300 * MS)
    world.advance(5)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 300


def test_the_model_is_not_shown_a_turn_without_words() -> None:
    world = World()
    world.heard = ""
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    world.append(1000)
    world.send("input_audio_buffer.commit")
    world.finish()
    answering(world)
    assert [message.text for message in world.request().messages if message.role == "user"] == ["hello"]


def test_words_beside_speech_keep_their_place_when_the_transcript_comes_in_one_piece() -> None:
    world = World()
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    world.send("session.update", session={"type": "realtime", "audio": audio})
    content = [{"type": "input_text", "text": "Listen:"}, {"type": "input_audio"}]
    item = {"id": "mine", "type": "message", "role": "user", "content": content}
    created = msgspec.json.encode({"type": "conversation.item.create", "item": item})
    world.tell(inputs.Received(realtime_codec.decode(created), (1000 * MS,)))
    (job,) = world.started(effects.StartTranscription)
    told = world.tell(inputs.Transcribed(job.job_id, "what time is it", 1.0))
    kinds = [f"conversation.item.input_audio_transcription.{step}" for step in ("delta", "completed")]
    assert [(event["type"], event["content_index"]) for event in told] == [(kind, 1) for kind in kinds]
    assert told[0]["delta"] == told[1]["transcript"] == "what time is it"
    world.send("conversation.item.retrieve", item_id="mine")
    parts = world.last("conversation.item.retrieved")["item"]["content"]
    assert [part.get("text") or part.get("transcript") for part in parts] == ["Listen:", "what time is it"]


# -- calls and words ---------------------------------------------------------------------------------------------------
def test_a_call_without_arguments_has_no_delta() -> None:
    world = World()
    job = answering(world).job_id
    world.jobs.clear()
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", ""))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    world.tell(inputs.SpeechMade(world.started(effects.StartAnswer)[-1].speak_job_id))
    assert "response.function_call_arguments.delta" not in world.types()
    assert world.last("response.function_call_arguments.done")["arguments"] == ""


def test_words_behind_a_call_are_an_item_of_their_own() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "output_modalities": ["text"], "tools": TOOLS})
    job = answering(world).job_id
    world.jobs.clear()
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", "{}"))
    world.tell(inputs.TextMade(job, "One moment."))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    output = world.last("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["function_call", "message"]


def test_a_sign_that_the_model_is_at_work_is_heard_by_nobody_and_gives_the_answer_time() -> None:
    world = World()
    job = answering(world).job_id
    world.jobs.clear()
    before = len(world.events)
    world.advance(world.machine.state.rules.job_timeout_s - 1)
    world.tell(inputs.TextMade(job, ""))
    world.advance(world.machine.state.rules.job_timeout_s - 1)
    assert world.types()[before:] == []
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", "{}"))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    world.tell(inputs.SpeechMade(world.started(effects.StartAnswer)[-1].speak_job_id))
    assert [item["type"] for item in world.last("response.done")["response"]["output"]] == ["function_call"]


# -- what comes too late -----------------------------------------------------------------------------------------------
def test_speech_for_a_conversation_that_is_over_is_let_go() -> None:
    world = World(lasts_s=10)
    answer = answering(world)
    world.advance(11)
    assert world.machine.state.closed
    world.made_audio(answer.speak_job_id, 500 * MS)
    world.tell(inputs.SpeechMade(answer.speak_job_id))
    assert world.speech == set()


def test_a_guess_that_fails_leaves_the_turn_as_if_there_had_been_none() -> None:
    world = World(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    (first,) = world.started(effects.StartTranscription)
    world.fail(first.job_id)
    assert world.machine.state.speculation is None
    world.append(400, 0.01)
    world.finish()
    assert len(world.started(effects.StartTranscription)) == 2
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_guess_that_understands_nothing_begins_no_answer_and_the_turn_goes_its_way() -> None:
    world = World(session_rules(speculate_ms=180))
    world.heard = ""
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    assert world.started(effects.StartAnswer) == []
    world.append(400, 0.01)
    world.finish()
    assert "input_audio_buffer.committed" in world.types()
    assert len(world.started(effects.StartTranscription)) == 1


def test_a_late_score_of_an_older_silence_ends_no_turn() -> None:
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


# -- items and ids -----------------------------------------------------------------------------------------------------
def test_an_answer_under_way_does_not_give_way_in_a_full_conversation() -> None:
    world = World(session_rules(max_items=1))
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.work(answering(world).job_id, 1)
    world.speak()
    assert [record.item.status for record in world.machine.state.records] == ["in_progress", "completed"]
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_id_that_a_client_has_taken_is_passed_over() -> None:
    def world_with(item_id: str) -> World:
        world = World()
        item = {"type": "message", "role": "user", "id": item_id, "content": [{"type": "input_text", "text": "x"}]}
        world.send("conversation.item.create", item=item)
        return world

    next_id = world_with("item_9").say_text()
    assert world_with(next_id).say_text() > next_id


@pytest.mark.parametrize("place", ["session", "response"])
def test_a_choice_of_mcp_tools_is_refused_by_name(place: str) -> None:
    world = World()
    choice = {"type": "mcp", "server_label": "s"}
    if place == "session":
        world.send("session.update", session={"type": "realtime", "tool_choice": choice})
    else:
        world.send("response.create", response={"tool_choice": choice})
    assert errors(world) == [f"invalid_value {place}.tool_choice.type"]


@pytest.mark.parametrize("audio", [{"output": None}, {"input": None}, {}])
def test_a_null_in_place_of_audio_settings_changes_nothing(audio: dict[str, Any]) -> None:
    world = World()
    before = world.last("session.created")["session"]
    world.send("session.update", session={"type": "realtime", "audio": audio})
    assert world.last("session.updated")["session"] == before


@pytest.mark.parametrize(("part", "code"), [
    ({"type": "output_audio", "transcript": "hi"}, "invalid_value item.content[0].type"),
    ({"type": "output_text"}, "missing_required_parameter item.content[0].text"),
])  # fmt: skip
def test_an_assistants_part_that_cannot_be_taken_is_refused(part: dict[str, Any], code: str) -> None:
    world = World()
    world.send("conversation.item.create", item={"type": "message", "role": "assistant", "content": [part]})
    assert errors(world) == [code]


def test_an_image_without_an_address_is_refused() -> None:
    world = World(session_rules(accepts_images=True))
    part = {"type": "input_image"}
    world.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
    assert errors(world) == ["missing_required_parameter item.content[0].image_url"]
