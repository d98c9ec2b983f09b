"""Values of the state that do more than hold a field."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.conversation import snapshot
from antiphon.conversation.state import OutputItem, State
from tests.options import session_rules
from tests.unit.conversation.stage import fresh_step


@pytest.mark.parametrize("pieces", [[], ["one"], ["one ", "", "two"], ["ü", "\n", "今日"]])
def test_pieces_that_are_added_make_the_text_of_an_item(pieces: list[str]) -> None:
    item = OutputItem(item_id="item_1", kind="message", index=0)
    for piece in pieces:
        item.add(piece)
    assert item.text == "".join(pieces)


@pytest.mark.parametrize(("status", "is_open"), [("in_progress", True), ("completed", False), ("incomplete", False)])
def test_an_item_is_open_until_it_has_a_final_status(status: str, is_open: bool) -> None:
    item = msgspec.convert({"item_id": "item_1", "kind": "message", "index": 0, "status": status}, OutputItem)
    assert item.open is is_open


def test_two_states_share_no_list() -> None:
    first, second = (
        State(seed="s", session=fresh_step().state.session, rules=session_rules(), conversation_id="conv_1")
        for _ in range(2)
    )
    first.due.append("item_1")
    first.down.append("llm")
    first.buffer.written = 5
    assert (second.due, second.down, second.buffer.written) == ([], [], 0)


def test_a_state_saved_before_a_field_existed_is_loaded_with_its_default() -> None:
    state = fresh_step().state
    older = msgspec.msgpack.decode(snapshot.dump(state))
    for name in ("locked", "has_other_voice", "resume_token"):
        del older[name]
    assert snapshot.load(msgspec.msgpack.encode(older)) == state
