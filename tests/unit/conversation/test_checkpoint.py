"""The parts of a conversation that are saved."""

from __future__ import annotations

from antiphon.conversation import effects, snapshot
from antiphon.conversation.checkpoint import CheckpointDelta
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    long_conversation,
)


def test_only_recent_items_and_those_that_have_changed_are_saved_again() -> None:
    world, delta = long_conversation(), CheckpointDelta()
    first = delta.take(world.machine.state)
    assert len(first.items) == 40
    oldest = world.client.order[0]
    world.effects.clear()
    world.send("conversation.item.delete", item_id=world.client.order[5])
    delta.note(world.effects)
    second = delta.take(world.machine.state)
    assert len(second.items) == 16
    assert len(second.gone) == 1
    delta.note([effects.PersistItem(oldest, 0, 2, None)])
    third = delta.take(world.machine.state)
    assert oldest in third.items
    assert len(third.items) == 17


def test_parts_that_could_not_be_saved_are_saved_the_next_time() -> None:
    world, delta = long_conversation(), CheckpointDelta()
    delta.failed(delta.take(world.machine.state))
    assert len(delta.take(world.machine.state).items) == 40
    gone = world.client.order[3]
    world.send("conversation.item.delete", item_id=gone)
    delta.failed(delta.take(world.machine.state))
    assert delta.take(world.machine.state).gone == {gone}


def test_an_item_that_is_transcribed_late_and_without_an_event_is_saved() -> None:
    world, delta = World(session_rules()), CheckpointDelta()
    world.say_audio(500, id="spoken")
    kept = delta.take(world.machine.state).items
    for number in range(30):
        world.say_text(f"number {number}")
    kept |= delta.take(world.machine.state).items
    world.finish()
    parts = delta.take(world.machine.state)
    state = snapshot.join(parts.frame, kept | parts.items)
    assert state.records[0].heard == world.heard
    assert state == snapshot.load(snapshot.dump(world.machine.state))
