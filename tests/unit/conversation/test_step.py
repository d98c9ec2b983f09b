"""Ids and owners of jobs."""

from __future__ import annotations

from antiphon.conversation import effects
from tests.simulation import World
from tests.unit.conversation.stage import (
    message,
    strict_world,
    user,
)


def test_a_job_that_fails_never_fails_a_response_that_an_item_is_named_after() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.say_audio(1000, id=world.last("response.created")["response"]["id"])
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    assert "response.done" not in world.types()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_id_of_a_turn_that_a_client_took_first_is_skipped() -> None:
    world = strict_world()
    for number in range(20):
        world.send("conversation.item.create", item=user(id=f"item_seed{number:07d}"))
    world.speak()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
    assert len(set(world.client.order)) == len(world.client.order)


def test_a_client_cannot_take_an_id_that_the_server_would_give_next() -> None:
    world = World()
    state = world.machine.state
    wanted = f"item_{state.seed}{state.counter + 4:07d}"
    item = message("user", {"type": "input_text", "text": "hi"})
    world.send("conversation.item.create", item={**item, "id": wanted})
    for _ in range(3):
        world.say_text()
    ids = [record.item.id for record in state.records]
    assert len(set(ids)) == 4
