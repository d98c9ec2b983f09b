"""Details of the machine that no whole conversation shows: odd clients, odd moments, and what must not change then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.state import Rules
from antiphon.ports.limiter import Allowance
from antiphon.wire import realtime_codec
from tests.contract.recorder import check_server_event
from tests.simulation import MS
from tests.simulation import World as AnyWorld


def World(rules: Rules | None = None, **options: Any) -> AnyWorld:  # noqa: N802 - stands for the class
    """A world that holds every event against the contract."""
    return AnyWorld(rules, contract=check_server_event, **options)


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", **fields}


def user(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **fields}


def audio_item(world: AnyWorld, item_id: str, ms: int = 1000) -> None:
    """Create an item that carries audio."""
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    frame = msgspec.json.encode({"type": "conversation.item.create", "item": item})
    world.tell(inputs.Received(realtime_codec.decode(frame), (ms * MS,)))


def answer(world: AnyWorld, **wish: Any) -> dict[str, Any]:
    """Ask for an answer and let it finish."""
    world.send("response.create", response=wish)
    world.finish()
    return world.last("response.done")["response"]


# -- ids that clients choose -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["speculation", "response", "", "UNSET", "None", "root", 'a"b\\c', "ü" * 128])
def test_an_item_may_have_any_id_and_its_speech_is_understood(name: str) -> None:
    world = World()
    item = user("hi", **({"id": name} if name else {}))
    assert world.send("conversation.item.create", item=item)[-1]["type"] == "conversation.item.done"
    if name:
        world.send("conversation.item.delete", item_id=name)
        audio_item(world, name)
    world.finish()
    assert answer(world)["status"] == "completed"
    assert "what time is it" in world.request().messages[-1].text or not name


def test_a_job_that_fails_never_fails_a_response_that_an_item_is_named_after() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    audio_item(world, world.last("response.created")["response"]["id"])
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    assert "response.done" not in world.types()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_item_cannot_take_the_id_of_the_turn_that_is_being_spoken() -> None:
    world = World()
    world.append(500, 0.9)
    item_id = world.last("input_audio_buffer.speech_started")["item_id"]
    (error,) = world.send("conversation.item.create", item=user(id=item_id), event_id="mine")
    assert (error["error"]["code"], error["error"]["event_id"]) == ("item_create_duplicate_item_id", "mine")
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_id_of_ours_that_a_client_took_first_is_passed_over() -> None:
    world = World()
    for number in range(40):
        world.send("conversation.item.create", item=user(id=f"item_seed{number:07d}"))
    world.speak()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
    assert len(set(world.client.order)) == len(world.client.order)


# -- answers that cannot be given ------------------------------------------------------------------------------------
@pytest.mark.parametrize("speculate_ms", [0, 96])
@pytest.mark.parametrize("choice", [{"type": "function", "name": "nowhere"}, "required"])
def test_a_turn_whose_tool_choice_cannot_be_kept_fails_its_response_and_not_the_session(
    choice: Any, speculate_ms: int
) -> None:
    world = World(Rules(speculate_ms=speculate_ms))
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
def test_a_client_that_forces_a_tool_it_does_not_give_is_told_so(choice: Any, param: str) -> None:
    world = World()
    world.say_text()
    (error,) = world.send("response.create", response={"tool_choice": choice}, event_id="mine")
    assert error["error"]["param"] == param
    assert answer(world)["status"] == "completed"


def test_turns_that_a_limit_leaves_unanswered_are_not_charged() -> None:
    world = World()
    world.tell(inputs.AllowanceChanged((Allowance("requests", 2, 0, 30.0),)))
    world.speak()
    world.finish()
    failed = world.last("response.done")["response"]
    assert failed["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"
    assert world.started(effects.Charge) == []


# -- a response's own input ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["UNSET", "None", "mine"])
def test_an_own_input_is_what_was_written_and_not_an_item_of_the_same_name(name: str) -> None:
    world = World()
    world.send("conversation.item.create", item=user("wrong", id=name))
    item = user("right", **({"id": name} if name == "mine" else {}))
    answer(world, input=[item])
    assert [message.text for message in world.request().messages] == ["right"]


def test_an_own_input_may_refer_to_items_and_hold_what_was_said() -> None:
    world = World()
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


def test_an_own_input_leaves_out_what_is_deleted_before_it_is_answered() -> None:
    world = World()
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
def test_an_own_input_that_cannot_be_shown_is_refused_by_the_name_of_its_field(
    item: dict[str, Any], code: str, param: str
) -> None:
    world = World()
    (error,) = world.send("response.create", response={"input": [user(), item]})
    assert (error["error"]["code"], error["error"]["param"]) == (code, f"response.input[1].{param}")
