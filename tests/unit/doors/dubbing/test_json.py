"""JSON of Socket.IO packets: Structs, lone surrogates, too many values, binary attachments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET, Struct, UnsetType
from socketio.packet import ACK, EVENT

from antiphon.doors.dubbing.json import TOO_MUCH, TextPacket, dumps, loads


class Payload(Struct):
    text: str
    left_out: str | UnsetType = UNSET


def test_structs_are_encoded_without_unset_fields() -> None:
    assert json.loads(dumps(["event", Payload("ä")], separators=(",", ":"))) == ["event", {"text": "ä"}]


@pytest.mark.parametrize("value", [None, True, 5, -1.5, "text", "ä😀", [], {}, ["e", {"a": [1, None]}]])
def test_what_was_encoded_is_decoded(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps(value).encode()) == value


def test_a_lone_surrogate_passes_for_the_handler_to_refuse() -> None:
    assert loads('["stream:init",{"stream_id":"\\ud800"}]') == ["stream:init", {"stream_id": "\ud800"}]


@pytest.mark.parametrize("text", ["", "[", "[1,]", "nul", "[" * 9_000, "{'a':1}"])
def test_invalid_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the library catches this type, and no message is promised
        loads(text)


def test_an_event_with_too_many_values_keeps_its_name_alone() -> None:
    values = json.dumps([0] * 20_000)
    assert loads(f'["fragment:data",{values}]') == ["fragment:data", TOO_MUCH]
    with pytest.raises(ValueError, match="values"):
        loads(values)


def read(encoded: Any) -> TextPacket:
    return TextPacket(encoded_packet=encoded)


def test_an_event_has_its_type_namespace_and_data() -> None:
    packet = read('2/elsewhere,7["stream:pause",{"a":1}]')
    assert (packet.packet_type, packet.namespace, packet.id) == (EVENT, "/elsewhere", 7)
    assert packet.data == ["stream:pause", {"a": 1}]


def test_an_event_with_attachments_is_complete_without_them() -> None:
    packet = read('51-["fragment:data",{"_placeholder":true,"num":0}]')
    assert (packet.packet_type, packet.attachment_count) == (EVENT, 0)
    assert read('61-7["x"]').packet_type == ACK


def test_a_binary_packet_is_an_empty_acknowledgement() -> None:
    packet = read(b"\x00\x01")
    assert (packet.packet_type, packet.data) == (ACK, [])


def test_a_long_namespace_is_shortened_since_a_refusal_repeats_it() -> None:
    namespace = read(f"0/{'n' * 10_000},").namespace
    assert namespace is not None
    assert len(namespace) < 300
