"""Conversation items: which content a role holds, and that nulls are not repeated."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from antiphon.wire.realtime_items import ROLE_CONTENT, AnyItem, Content, FunctionCallOutput, ItemReference, Message

TYPES = ("input_text", "input_audio", "input_image", "output_text", "output_audio")


@pytest.mark.parametrize("role", sorted(ROLE_CONTENT))
@pytest.mark.parametrize("kind", TYPES)
def test_a_message_holds_only_the_content_of_its_role(role: Any, kind: Any) -> None:
    parts = (Content(kind),)
    if kind in ROLE_CONTENT[role]:
        assert Message(role=role, content=parts).content == parts
    else:
        with pytest.raises(ValueError, match=rf"^content\[0\]\.type: '{kind}' is not for role '{role}'"):
            Message(role=role, content=parts)


def test_the_first_wrong_part_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"^content\[1\]\.type: .*; supported: input_text$"):
        Message(role="system", content=(Content("input_text"), Content("output_text"), Content("output_audio")))


def test_a_message_may_be_empty() -> None:
    assert Message(role="user", content=()).content == ()


def test_what_was_not_set_is_left_out() -> None:
    item = Message(role="user", content=(Content("input_text", text="hi"),))
    assert msgspec.json.decode(msgspec.json.encode(item)) == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    }


@pytest.mark.parametrize(("item", "reason"), [
    ({"type": "function_call_output", "call_id": "", "output": ""}, "length >= 1"),
    ({"type": "function_call", "name": "n" * 129, "arguments": "{}"}, "length <= 128"),
    ({"type": "message", "role": "tool", "content": []}, "Invalid enum value 'tool'"),
    ({"type": "message", "role": "user", "content": [], "colour": 1}, "unknown field `colour`"),
    ({"type": "song"}, "Invalid value 'song'"),
])  # fmt: skip
def test_a_wrong_item_is_refused(item: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(item, AnyItem)


def test_every_kind_of_item_has_its_own_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in (*get_args(AnyItem), ItemReference)]
    assert len(set(tags)) == len(tags)
    assert FunctionCallOutput.__struct_config__.tag_field == "type"
