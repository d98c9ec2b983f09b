"""The content of items that clients create."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.conversation.content import checked, given_transcript, size
from antiphon.conversation.step import EventRefused
from antiphon.wire.realtime_items import AnyItem, OwnItem
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import fresh_step, message, user

PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAAN"}
SPOKEN = {"type": "output_audio", "transcript": "hi"}
CALL = {"type": "function_call", "name": "look", "arguments": '{"a":1}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}


def item_of(fields: dict[str, Any]) -> Any:
    return msgspec.convert(fields, AnyItem)


@pytest.mark.parametrize(("part", "code", "param"), [
    (SPOKEN, "invalid_value", "item.content[1].type"),
    ({"type": "output_text"}, "missing_required_parameter", "item.content[1].text"),
    ({"type": "output_text", "text": None}, "missing_required_parameter", "item.content[1].text"),
])  # fmt: skip
def test_an_assistant_part_without_text_or_with_audio_is_refused(part: dict[str, Any], code: str, param: str) -> None:
    world = World()
    written = {"type": "output_text", "text": "yes"}
    (error,) = world.send("conversation.item.create", item=message("assistant", written, part))
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)


@pytest.mark.parametrize(("fields", "param"), [
    (message("user", PICTURE), "item.content[0].type"),
    ({"type": "mcp_call", "id": "a", "name": "x"}, "item.type"),
    ({"type": "mcp_approval_response", "id": "a", "approve": True}, "item.type"),
])  # fmt: skip
def test_an_item_that_this_server_does_not_support_is_refused_with_its_field(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(EventRefused) as refused:
        checked(fresh_step(), item_of(fields), "item")
    assert (refused.value.code, refused.value.param) == ("invalid_value", param)


@pytest.mark.parametrize("fields", [user(), user(""), CALL, OUTPUT, message("user", PICTURE), message("system")])
def test_an_item_that_is_supported_is_returned_as_it_is(fields: dict[str, Any]) -> None:
    item = item_of(fields)
    assert checked(fresh_step(session_rules(accepts_images=True)), item, "item") is item


def test_a_transcript_of_the_assistant_is_accepted_only_where_the_llm_alone_sees_it() -> None:
    item = item_of(message("assistant", SPOKEN))
    assert checked(fresh_step(), item, "item", may_be_spoken=True) is item
    with pytest.raises(EventRefused):
        checked(fresh_step(), item, "item")


@pytest.mark.parametrize(("fields", "characters"), [
    (user("hello"), 5),
    (message("system"), 0),
    (message("user", {"type": "input_text", "text": "one"}, {"type": "input_audio", "transcript": "two!"}), 7),
    (message("user", {"type": "input_audio", "audio": "AAAA", "transcript": None}), 0),
    (message("user", PICTURE), len(PICTURE["image_url"])),
    (CALL, 7),
    (OUTPUT, 4),
])  # fmt: skip
def test_the_size_of_an_item_is_what_it_holds_without_its_audio(fields: dict[str, Any], characters: int) -> None:
    assert size(msgspec.convert(fields, OwnItem)) == characters


@pytest.mark.parametrize(("fields", "transcript"), [
    (message("user", *({"type": "input_audio", "transcript": text} for text in ("one", "two"))), "one two"),
    (message("user", {"type": "input_audio", "transcript": ""}), None),
    (message("user", {"type": "input_audio"}), None),
    (user("written"), None),
    (CALL, None),
])  # fmt: skip
def test_a_transcript_that_a_client_gives_is_that_of_its_audio_parts(
    fields: dict[str, Any], transcript: str | None
) -> None:
    assert given_transcript(msgspec.convert(fields, OwnItem)) == transcript
