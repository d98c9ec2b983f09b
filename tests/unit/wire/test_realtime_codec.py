"""Frames that are put together by hand are the ones that the ordinary encoder would make."""

from __future__ import annotations

from typing import Any

import msgspec
import pybase64
import pytest
from msgspec.structs import replace

from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.realtime_items import Content, FunctionCall, Message
from antiphon.wire.realtime_server import ConversationItemRetrieved

MARK = '"audio":"@"'
SPOKEN = Content(type="output_audio", transcript=f"he said {MARK}")
HEARD = Content(type="input_audio", transcript=None)
WRITTEN = Content(type="input_text", text=MARK)


@pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"ab", b"cdef"], [bytes(range(256))] * 100])
@pytest.mark.parametrize(
    ("role", "content"), [("assistant", (SPOKEN,)), ("user", (HEARD,)), ("user", (WRITTEN, HEARD, WRITTEN, HEARD))]
)
def test_an_item_with_audio_is_the_item_and_its_audio(
    role: str, content: tuple[Content, ...], pieces: list[bytes]
) -> None:
    item = Message(id=f'i"{MARK}', status="completed", role=role, content=content)
    event = ConversationItemRetrieved(event_id="e", item=item)
    audio = pybase64.b64encode(b"".join(pieces)).decode()
    spoken = tuple(replace(part, audio=audio) if "audio" in part.type else part for part in content)
    expected = replace(event, item=replace(item, content=spoken)) if audio else event
    assert realtime_codec.encode_item(event, pieces) == msgspec.json.encode(expected)


def test_an_item_that_says_nothing_has_no_audio() -> None:
    event = ConversationItemRetrieved(event_id="e", item=FunctionCall(name="f", arguments=MARK, call_id="c"))
    assert realtime_codec.encode_item(event, [b"abc"]) == msgspec.json.encode(event)


def test_audio_of_just_the_most_bytes_is_decoded() -> None:
    assert realtime_codec.decode_audio("AAEC", param="audio", event_id=None, most=3) == b"\0\1\2"
    assert realtime_codec.decode_audio("", param="audio", event_id=None) == b""


@pytest.mark.parametrize(("text", "code"), [
    ("AAECAA==", "audio_too_large"),
    ("AAE", "invalid_value"),
    ("AA*C", "invalid_value"),
    ("späte", "invalid_value"),
])  # fmt: skip
def test_audio_that_cannot_be_taken_names_its_field(text: str, code: str) -> None:
    with pytest.raises(BadEvent) as refused:
        realtime_codec.decode_audio(text, param="item.content[0].audio", event_id="mine", most=3)
    assert (refused.value.code, refused.value.param, refused.value.event_id) == (code, "item.content[0].audio", "mine")


def written(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "conversation.item.create", "item": written("x" * (2**20 + 1))}, "item.content[0].text"),
        (
            {"type": "session.update", "session": {"type": "realtime", "instructions": "x" * (2**20 + 1)}},
            "session.instructions",
        ),
        ({"type": "response.create", "response": {"instructions": "x" * (2**20 + 1)}}, "response.instructions"),
        ({"type": "response.create", "response": {"metadata": {"a": "x" * 513}}}, "response.metadata"),
        ({"type": "response.create", "response": {"metadata": {"x" * 65: "a"}}}, "response.metadata"),
        (
            {"type": "response.create", "response": {"metadata": dict.fromkeys(map(str, range(17)), "a")}},
            "response.metadata",
        ),
        ({"type": "response.cancel", "event_id": "x" * 513}, "event_id"),
        ({"type": "conversation.item.create", "item": written("x") | {"id": "x" * 129}}, "item.id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_beyond_its_bound_is_refused_with_its_field(event: dict[str, Any], param: str) -> None:
    with pytest.raises(BadEvent) as refused:
        realtime_codec.decode(msgspec.json.encode(event))
    assert refused.value.code in ("string_above_max_length", "object_above_max_properties")
    assert refused.value.param == param
