"""The lifecycle of a response: what is refused, its own input, its overrides, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from antiphon.ports.limiter import Allowance
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    MANUAL,
    TOOL,
    answer,
    message,
    session,
    strict_world,
    updated,
    user,
)


@pytest.mark.parametrize("speculate_ms", [0, 96])
@pytest.mark.parametrize("choice", [{"type": "function", "name": "nowhere"}, "required"])
def test_a_turn_whose_tool_choice_cannot_be_kept_fails_its_response_and_not_the_session(
    choice: Any, speculate_ms: int
) -> None:
    world = strict_world(session_rules(speculate_ms=speculate_ms))
    world.send("session.update", session=session(tool_choice=choice))
    world.append(1000, 0.9)
    world.append(200, 0.01)
    world.finish()
    world.append(400, 0.01)
    world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "invalid_value"
    assert "error" not in world.types()
    world.send("session.update", session=session(tool_choice="auto"))
    world.speak()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("choice", "param"),
    [({"type": "function", "name": "nowhere"}, "response.tool_choice.name"), ("required", "response.tool_choice")],
)
def test_a_forced_tool_that_is_not_given_is_refused_with_its_field(choice: Any, param: str) -> None:
    world = strict_world()
    world.say_text()
    (error,) = world.send("response.create", response={"tool_choice": choice}, event_id="mine")
    assert error["error"]["param"] == param
    assert answer(world)["status"] == "completed"


def test_turns_that_a_limit_leaves_unanswered_are_not_charged() -> None:
    world = strict_world()
    world.tell(inputs.AllowanceChanged((Allowance("requests", 2, 0, 30.0),)))
    world.speak()
    world.finish()
    failed = world.last("response.done")["response"]
    assert failed["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"
    assert world.started(effects.Charge) == []


@pytest.mark.parametrize("name", ["UNSET", "None", "mine"])
def test_an_own_input_is_not_replaced_by_an_item_of_the_same_name(name: str) -> None:
    world = strict_world()
    world.send("conversation.item.create", item=user("wrong", id=name))
    item = user("right", **({"id": name} if name == "mine" else {}))
    answer(world, input=[item])
    assert [message.text for message in world.request().messages] == ["right"]


def test_an_own_input_may_refer_to_items_and_hold_transcripts() -> None:
    world = strict_world()
    world.speak()
    world.finish()
    heard, said = world.client.order
    parts = [{"type": "input_audio", "transcript": "and you"}]
    own = {"type": "message", "role": "user", "content": parts}
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "me too"}]}
    references = [{"type": "item_reference", "id": item_id} for item_id in (heard, said)]
    assert answer(world, input=[*references, own, spoken], conversation="none")["status"] == "completed"
    texts = [message.text.strip() for message in world.request().messages]
    assert texts == ["what time is it", "It is noon. The sun is high.", "and you", "me too"]


def test_an_own_input_leaves_out_items_that_are_deleted_before_it_is_answered() -> None:
    world = strict_world()
    world.send("session.update", session=session(audio={"input": {"turn_detection": None}}))
    world.append(500)
    world.send("input_audio_buffer.commit")
    spoken = world.last("conversation.item.done")["item"]["id"]
    references = [{"type": "item_reference", "id": spoken}, user("still here")]
    world.send("response.create", response={"input": references})
    assert world.started(effects.StartAnswer) == []
    world.send("conversation.item.delete", item_id=spoken)
    world.finish()
    assert [message.text for message in world.request().messages] == ["still here"]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        (user() | {"content": [{"type": "input_text"}]}, "missing_required_parameter", "content[0].text"),
        (user() | {"content": [{"type": "input_image", "image_url": "x"}]}, "invalid_value", "content[0].type"),
        (user() | {"content": [{"type": "input_audio", "audio": "AAAA"}]}, "invalid_value", "content"),
        ({"type": "mcp_approval_response", "id": "a", "approve": True}, "invalid_value", "type"),
        ({"type": "item_reference", "id": "nowhere"}, "invalid_value", "id"),
    ],
)
def test_an_own_input_that_cannot_be_shown_is_refused_with_its_field(
    item: dict[str, Any], code: str, param: str
) -> None:
    world = strict_world()
    (error,) = world.send("response.create", response={"input": [user(), item]})
    assert (error["error"]["code"], error["error"]["param"]) == (code, f"response.input[1].{param}")


def test_nulls_in_a_response_leave_the_sessions_values() -> None:
    world = strict_world()
    updated(world, instructions="be brief", tools=[TOOL], max_output_tokens=7, output_modalities=["text"])
    names = ("output_modalities", "instructions", "audio", "tools", "tool_choice", "max_output_tokens", "metadata")
    more = ("conversation", "input", "prompt", "reasoning", "parallel_tool_calls")
    world.say_text()
    made = answer(world, **dict.fromkeys([*names, *more]))
    assert (made["output_modalities"], made["max_output_tokens"], made["metadata"]) == (["text"], 7, None)
    request = world.request()
    assert request.messages[0].text == "be brief"
    assert [tool.name for tool in request.tools] == ["look"]


def test_overrides_last_for_one_response() -> None:
    world = strict_world()
    updated(world, instructions="be brief", tools=[TOOL], output_modalities=["text"])
    world.say_text()
    output = {"voice": {"id": "mine"}, "format": {"type": "audio/pcmu"}}
    made = answer(
        world,
        output_modalities=["audio"],
        instructions="",
        tools=[],
        tool_choice="none",
        max_output_tokens="inf",
        metadata={"topic": "weather"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        prompt={"id": "p"},
        audio={"output": output},
    )
    assert made["audio"]["output"] == {"voice": "mine", "format": {"type": "audio/pcmu"}}
    assert (made["output_modalities"], made["metadata"]) == (["audio"], {"topic": "weather"})
    first = world.request()
    assert (first.messages[0].role, first.tools, first.tool_choice) == ("user", (), "none")
    assert (first.parallel_tool_calls, first.reasoning_effort) == (False, "low")
    made = answer(world)
    assert (made["output_modalities"], made["metadata"]) == (["text"], None)
    assert (world.request().messages[0].text, len(world.request().tools)) == ("be brief", 1)


def test_an_explicit_response_is_announced_at_once_and_waits_for_the_transcript() -> None:
    world = strict_world()
    world.send("session.update", session=MANUAL)
    world.append(500)
    world.send("input_audio_buffer.commit")
    world.send("response.create", response={"metadata": {"client_event_id": "7"}})
    assert world.last("response.created")["response"]["metadata"] == {"client_event_id": "7"}
    assert not world.started(effects.StartAnswer)
    world.finish()
    assert world.last("response.done")["response"]["metadata"] == {"client_event_id": "7"}


def test_cancel_closes_open_items_and_no_event_follows() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.work(answer.job_id, 3)
    world.work(answer.speak_job_id, 1)
    world.events.clear()
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
    world.events.clear()
    world.finish()
    assert world.events == []
    assert world.speech == set()
    assert {effect.job_id for effect in world.started(effects.CancelJob)} == {answer.job_id, answer.speak_job_id}


def test_cancel_without_an_answer_is_a_harmless_error() -> None:
    world = strict_world()
    world.send("response.cancel", event_id="c")
    error = world.last("error")["error"]
    assert error["code"] == "response_cancel_not_active"
    assert error["message"].startswith("Cancellation failed")


def test_a_second_response_is_refused_while_one_is_in_progress() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.send("response.create", event_id="second")
    error = world.last("error")["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"


def test_an_out_of_band_response_does_not_enter_the_conversation() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.events.clear()
    own = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "on its own"}]}]
    world.send(
        "response.create",
        response={"conversation": "none", "input": own, "metadata": {"topic": "x"}, "output_modalities": ["text"]},
    )
    created = world.last("response.created")["response"]
    assert created["conversation_id"] is None
    assert [message.text for message in world.request().messages if message.role == "user"] == ["on its own"]
    world.finish()
    done = [event["response"] for event in world.events if event["type"] == "response.done"]
    assert {response["status"] for response in done} == {"completed"}
    assert {response["conversation_id"] is None for response in done} == {True, False}
    added = [event for event in world.events if event["type"] == "conversation.item.added"]
    assert len(added) == 1, "the other item is in no conversation"


def test_a_failed_model_fails_the_response_without_an_error_event() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.fail(world.started(effects.StartAnswer)[-1].job_id)
    done = world.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "provider_unavailable"
    assert "error" not in world.types()


def test_a_failed_speaker_leaves_an_answer_in_words() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    answer = world.started(effects.StartAnswer)[-1]
    world.fail(answer.speak_job_id)
    world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"].startswith("It is noon.")
    assert "error" not in world.types()


def test_a_used_up_limit_refuses_the_client_and_fails_a_turn() -> None:
    world = strict_world()
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


def test_references_to_a_long_item_count_as_often_as_they_are_made() -> None:
    world = World(session_rules(max_characters=1000))
    world.send(
        "conversation.item.create", item=message("user", {"type": "input_text", "text": "x" * 400}) | {"id": "a"}
    )
    for times, refused in ((2, False), (3, True)):
        references = [{"type": "item_reference", "id": "a"}] * times
        world.send("response.create", response={"conversation": "none", "input": references})
        assert ("error" in world.types()) is refused
    error = world.last("error")["error"]
    assert (error["code"], error["param"]) == ("conversation_size_limit_exceeded", "response.input")


def test_out_of_band_responses_are_bounded_and_the_conversation_is_answered_all_the_same() -> None:
    world = strict_world(session_rules(max_out_of_band=2))
    world.say_text()
    for _ in range(2):
        world.send("response.create", response={"conversation": "none"})
    (error,) = world.send("response.create", response={"conversation": "none"}, event_id="third")
    detail = error["error"]
    assert (detail["code"], detail["param"]) == ("too_many_responses", "response.conversation")
    assert detail["event_id"] == "third"
    assert answer(world)["status"] == "completed"
    assert world.send("response.create", response={"conversation": "none"})[0]["type"] == "response.created"


def test_a_response_to_audio_that_could_not_be_transcribed_fails_unless_it_has_instructions() -> None:
    world = strict_world()
    world.say_audio(500)
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    failed = answer(world)
    assert failed["status"] == "failed"
    assert failed["status_details"]["error"]["code"] == "transcription_failed"
    assert answer(world, instructions="Ask the user to repeat.")["status"] == "completed"


def test_a_failed_job_does_not_fail_a_response_whose_text_is_complete() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.work(job.job_id)
    world.fail(job.job_id)
    assert "response.done" not in world.types()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
