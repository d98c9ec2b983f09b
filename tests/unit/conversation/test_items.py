"""Items that clients create, retrieve and delete, and their order."""

from __future__ import annotations

import random

import pytest

from antiphon.conversation import effects, snapshot
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    answer,
    answering,
    message,
    same_but_for_ids,
    strict_world,
    user,
)


@pytest.mark.parametrize("name", ["speculation", "response", "", "UNSET", "None", "root", 'a"b\\c', "ü" * 128])
def test_an_item_may_have_any_id_and_its_speech_is_understood(name: str) -> None:
    world = strict_world()
    item = user("hi", **({"id": name} if name else {}))
    assert world.send("conversation.item.create", item=item)[-1]["type"] == "conversation.item.done"
    if name:
        world.send("conversation.item.delete", item_id=name)
        world.say_audio(1000, id=name)
    world.finish()
    assert answer(world)["status"] == "completed"
    assert "what time is it" in world.request().messages[-1].text or not name


def test_an_item_cannot_take_the_id_of_the_turn_that_is_being_spoken() -> None:
    world = strict_world()
    world.append(500, 0.9)
    item_id = world.last("input_audio_buffer.speech_started")["item_id"]
    (error,) = world.send("conversation.item.create", item=user(id=item_id), event_id="mine")
    assert (error["error"]["code"], error["error"]["event_id"]) == ("item_create_duplicate_item_id", "mine")
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def stored(world: World) -> list[str]:
    """Ids of the items in the order in which a store would give them."""
    newest = {effect.item_id: effect for effect in world.started(effects.PersistItem)}
    there = [effect for effect in newest.values() if effect.item is not None]
    return [effect.item_id for effect in sorted(there, key=lambda effect: effect.position)]


def test_the_store_has_the_items_in_the_order_of_the_conversation() -> None:
    places = random.Random(3)
    world = strict_world()
    world.speak()
    world.finish()
    for number in range(30):
        place = places.choice([None, "root", *world.client.order])
        fields = {} if place is None else {"previous_item_id": place}
        world.send("conversation.item.create", item=user(id=f"mine_{number}"), **fields)
    assert stored(world) == world.client.order


def test_any_number_of_items_fit_behind_one() -> None:
    world = strict_world()
    first = world.say_text()
    world.say_text()
    for number in range(40):
        world.send("conversation.item.create", item=user(id=f"mine_{number}"), previous_item_id=first)
    assert stored(world) == world.client.order
    positions = [record.position for record in world.machine.state.records]
    assert len(set(positions)) == len(positions)


def test_an_item_whose_id_was_deleted_is_newer_than_its_deletion() -> None:
    world = strict_world()
    for _ in range(2):
        world.send("conversation.item.create", item=user(id="mine"))
        world.send("conversation.item.delete", item_id="mine")
    world.send("conversation.item.create", item=user(id="mine"))
    revisions = [effect.revision for effect in world.started(effects.PersistItem)]
    assert revisions == sorted(set(revisions))
    assert stored(world) == ["mine"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_full_conversation_removes_its_oldest_item(most: int) -> None:
    world = strict_world(session_rules(max_items=most))
    for _ in range(4):
        world.speak()
        world.finish()
        assert world.last("response.done")["response"]["status"] == "completed"
        assert len(world.client.order) <= most + 1
    assert not [one for one in world.effects if isinstance(one, effects.PersistItem) and one.item is None], (
        "history keeps it"
    )
    (error,) = world.send("conversation.item.create", item=user())
    assert error["error"]["code"] == "conversation_items_limit_exceeded"


@pytest.mark.parametrize("place", ["", "nowhere", "None", "ROOT"])
def test_an_item_behind_one_that_is_not_there_is_refused(place: str) -> None:
    world = strict_world()
    world.say_text()
    before = snapshot.dump(world.machine.state)
    (error,) = world.send("conversation.item.create", item=user(), previous_item_id=place, event_id="e")
    assert error["error"]["code"] == "item_create_invalid_previous_item_id"
    assert (error["error"]["param"], error["error"]["event_id"]) == ("previous_item_id", "e")
    assert same_but_for_ids(before, world)


def test_a_conversation_holds_so_many_characters_and_no_more() -> None:
    world = strict_world(session_rules(max_characters=100, accepts_images=True))
    world.send("conversation.item.create", item=user("x" * 60, id="long"))
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAANAAA"}
    image = {"type": "message", "role": "user", "content": [picture]}
    (error,) = world.send("conversation.item.create", item=image, event_id="mine")
    assert error["error"]["code"] == "conversation_size_limit_exceeded"
    assert (error["error"]["param"], error["error"]["event_id"]) == ("item", "mine")
    world.send("conversation.item.create", item=user("x" * 40))
    world.send("conversation.item.delete", item_id="long")
    assert world.send("conversation.item.create", item=image)[-1]["type"] == "conversation.item.done"


def test_a_full_conversation_does_not_remove_an_item_in_progress() -> None:
    world = World(session_rules(max_items=1))
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.work(answering(world).job_id, 1)
    world.speak()
    assert [record.item.status for record in world.machine.state.records] == ["in_progress", "completed"]
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(("kind", "code"), [
    ("conversation.item.retrieve", "item_retrieve_invalid_item_id"),
    ("conversation.item.delete", "item_delete_invalid_item_id"),
])  # fmt: skip
def test_an_unknown_item_is_neither_retrieved_nor_deleted(kind: str, code: str) -> None:
    world = strict_world()
    world.say_text()
    (error,) = world.send(kind, item_id="nowhere", event_id="mine")
    assert (error["error"]["code"], error["error"]["param"], error["error"]["event_id"]) == (code, "item_id", "mine")
    assert "nowhere" in error["error"]["message"]


def test_an_item_in_progress_is_not_deleted_before_its_response_is_cancelled() -> None:
    world = strict_world()
    world.work(answering(world).job_id, 1)
    item_id = world.client.order[-1]
    (error,) = world.send("conversation.item.delete", item_id=item_id)
    assert (error["error"]["code"], error["error"]["param"]) == ("item_delete_in_progress", "item_id")
    world.send("response.cancel")
    assert world.send("conversation.item.delete", item_id=item_id)[-1]["type"] == "conversation.item.deleted"


def test_a_deleted_item_is_dropped_with_its_audio_and_from_the_store() -> None:
    world = strict_world()
    world.say_audio(500, id="mine")
    world.finish()
    world.effects.clear()
    world.send("conversation.item.delete", item_id="mine")
    assert world.started(effects.ForgetAudio) == [effects.ForgetAudio("mine")]
    assert [(one.item_id, one.item) for one in world.started(effects.PersistItem)] == [("mine", None)]


def test_a_call_that_a_client_creates_without_a_call_id_is_given_one() -> None:
    world = strict_world()
    call = {"type": "function_call", "name": "look", "arguments": "{}"}
    created = world.send("conversation.item.create", item=call)[-1]["item"]
    assert created["call_id"].startswith("call_seed")
    output = {"type": "function_call_output", "call_id": created["call_id"], "output": "seen"}
    assert world.send("conversation.item.create", item=output)[-1]["type"] == "conversation.item.done"


def test_the_transcript_of_a_part_without_audio_is_shown_to_the_llm_at_once() -> None:
    world = strict_world()
    item = message("user", {"type": "input_audio", "transcript": "what time is it"})
    world.send("conversation.item.create", item=item)
    assert world.started(effects.StartTranscription) == []
    world.send("response.create")
    assert [one.text for one in world.request().messages] == ["what time is it"]
