"""Conversations as bytes and back."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from antiphon import ids
from antiphon.app.settings import Settings
from antiphon.conversation import snapshot
from antiphon.conversation.checkpoint import CheckpointDelta
from antiphon.conversation.numbered_ids import numbered
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    long_conversation,
    strict_world,
)


def test_a_snapshot_without_its_items_is_small() -> None:
    world = strict_world()
    for _ in range(3):
        world.speak()
        world.finish()
    state = snapshot.load(snapshot.dump(world.machine.state))
    state.records.clear()
    assert len(snapshot.dump(state)) <= 32 * 1024


def test_a_frame_without_one_of_its_items_is_not_loaded() -> None:
    world, delta = long_conversation(3), CheckpointDelta()
    parts = delta.take(world.machine.state)
    parts.items.popitem()
    with pytest.raises(KeyError):
        snapshot.join(parts.frame, parts.items)


def test_the_positions_of_items_are_those_of_the_whole_conversation() -> None:
    world, delta = long_conversation(150), CheckpointDelta()
    parts = delta.take(world.machine.state)
    found = snapshot.positions(parts.frame, parts.items)
    records = snapshot.join(parts.frame, parts.items).records
    assert {name: (one.position, one.revision) for name, one in found.items()} == {
        str(record.item.id): (record.position, record.revision) for record in records
    }
    del parts.items[str(records[0].item.id)]
    with pytest.raises(KeyError):
        snapshot.positions(parts.frame, parts.items)


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


def test_the_order_of_items_is_kept_whether_server_or_client_named_them() -> None:
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


def test_a_frame_with_full_ids_in_its_order_is_loaded() -> None:
    world = long_conversation(3)
    state = world.machine.state
    parts = CheckpointDelta().take(state)
    frame = msgspec.msgpack.encode((replace(state, records=[]), [str(r.item.id) for r in state.records]))
    assert snapshot.join(frame, parts.items) == state
