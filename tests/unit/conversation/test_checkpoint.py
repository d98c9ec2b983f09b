"""What of a conversation is saved, and that nothing is missing when it is taken up."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from antiphon import ids
from antiphon.app.settings import Settings
from antiphon.conversation import effects, snapshot
from antiphon.conversation.checkpoint import CheckpointDelta
from antiphon.conversation.numbered_ids import numbered
from antiphon.conversation.resume import greeting_id, number_of
from tests.options import session_rules
from tests.simulation import MS, World


def long_conversation(count: int = 40, seed: str = "seed") -> World:
    world = World(session_rules(), seed=seed)
    for number in range(count):
        world.say_text(f"number {number}")
    return world


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


def test_what_could_not_be_saved_is_saved_the_next_time() -> None:
    world, delta = long_conversation(), CheckpointDelta()
    delta.failed(delta.take(world.machine.state))
    assert len(delta.take(world.machine.state).items) == 40
    gone = world.client.order[3]
    world.send("conversation.item.delete", item_id=gone)
    delta.failed(delta.take(world.machine.state))
    assert delta.take(world.machine.state).gone == {gone}


def test_an_item_that_is_understood_late_and_without_a_word_is_saved() -> None:
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


def test_a_frame_without_one_of_its_items_is_not_taken_up() -> None:
    world, delta = long_conversation(3), CheckpointDelta()
    parts = delta.take(world.machine.state)
    parts.items.popitem()
    with pytest.raises(KeyError):
        snapshot.join(parts.frame, parts.items)


def test_the_frame_stays_small_however_long_the_conversation_is() -> None:
    seed = ids.token(12)  # as the door gives it
    state = long_conversation(1, seed).machine.state
    [record] = state.records
    counted = range(1, Settings().realtime_max_items + 1)
    names = [numbered("item", seed, 40 * number) for number in counted]  # a turn gives out about so many ids
    state.records = [replace(record, item=replace(record.item, id=name)) for name in names]
    parts = CheckpointDelta().take(state)
    assert (len(state.records), len(names[0])) == (2_000, 24)
    assert len(parts.frame) < 32 * 1024
    assert snapshot.join(parts.frame, parts.items).records == state.records


def test_the_order_is_kept_of_items_whoever_named_them() -> None:
    world = World(session_rules())
    world.say_text("first")
    for named in ("mine", "item_seed", "item_seed1", "item_seed00000007", "item_seed٣", "item_other0000003"):
        world.say_audio(10, id=named)
    world.say_text("last")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "before all"}]}
    world.send("conversation.item.create", previous_item_id="root", item=item)
    state = world.machine.state
    assert len({record.item.id for record in state.records}) == 9
    parts = CheckpointDelta().take(state)
    assert snapshot.join(parts.frame, parts.items) == state


def test_a_frame_whose_order_is_spelled_out_is_taken_up() -> None:
    world = long_conversation(3)
    state = world.machine.state
    parts = CheckpointDelta().take(state)
    frame = msgspec.msgpack.encode((replace(state, records=[]), [str(r.item.id) for r in state.records]))
    assert snapshot.join(frame, parts.items) == state


@pytest.mark.parametrize(
    "foreign", ["", "event_", "event_other0000003", "item_seed0000003", "event_seedr3", "event_seed٣"]
)
def test_an_event_of_another_conversation_has_no_number(foreign: str) -> None:
    assert number_of(foreign, World().machine.state.seed) is None


def test_a_greeting_comes_between_the_last_event_and_the_next() -> None:
    state = World().machine.state
    greeting = greeting_id(state, 7, 3)
    assert number_of(greeting, state.seed) == 7
    assert "event_seed0000007" < greeting < "event_seed0000008"


# -- taking it up ------------------------------------------------------------------------------------------------------
def test_an_answer_under_way_goes_on_and_a_turn_that_was_spoken_is_asked_for_again() -> None:
    world = World(session_rules())
    world.say_text()
    world.send("response.create", event_id="mine")
    world.work(steps=2)
    world.append(500, 0.95)
    world.resume()
    note = world.last("antiphon.session.resumed")
    assert (note["audio_start_ms"], note["client_event_id"]) == (0, "mine")
    world.finish()
    assert world.last("response.done")["response"]["status"] in ("completed", "cancelled")
    assert world.machine.state.buffer.written == 0


def test_who_asks_for_nothing_ends_the_answers_under_way() -> None:
    world = World(session_rules())
    world.say_text()
    world.send("response.create")
    world.work(steps=2)
    world.resume(missed=False)
    done = world.last("response.done")["response"]
    assert done["status"] == "incomplete"
    assert {effect.job_id for effect in world.started(effects.CancelJob)} == set(world.jobs)
    world.finish()
    assert world.speech == set()


def test_input_before_the_last_commit_is_not_asked_for_again() -> None:
    world = World(session_rules())
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    world.append(700)
    world.send("input_audio_buffer.commit")
    world.append(300)
    world.resume()
    assert world.last("antiphon.session.resumed")["audio_start_ms"] == 700
    assert world.machine.state.buffer.written == 700 * MS
