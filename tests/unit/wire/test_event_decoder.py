"""Frames of any tagged union: decoded, or refused with the field that is wrong."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.wire.event_decoder import BadEvent, EventDecoder


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """A toy event."""

    event_id: str | None = None
    count: int = 0


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Another one."""

    text: str


DECODER: EventDecoder[Ping | Pong] = EventDecoder(Ping | Pong)


def refused(frame: str | bytes) -> BadEvent:
    with pytest.raises(BadEvent) as failed:
        DECODER.decode(frame)
    return failed.value


@pytest.mark.parametrize("frame", ['{"type": "ping", "count": 2}', b'{"count": 2, "type": "ping"}'])
def test_the_tag_chooses_the_event(frame: str | bytes) -> None:
    assert DECODER.decode(frame) == Ping(count=2)


@pytest.mark.parametrize(("frame", "code", "param"), [
    ('{"type": "ping", "count": "x"}', "invalid_value", "count"),
    ('{"type": "ping", "cuont": 1}', "unknown_parameter", "cuont"),
    ('{"type": "pong"}', "missing_required_parameter", "text"),
    ('{"type": "pang"}', "invalid_value", "type"),
    ("{}", "missing_required_parameter", "type"),
    ("[]", "invalid_value", None),
    ('{"type": "ping"', "invalid_json", None),
    ("", "invalid_json", None),
    (b"\xff", "invalid_json", None),
    ("[" * 100_000, "invalid_value", None),
    ('{"type": "pong", "text": "\\ud800"}', "invalid_json", "text"),
])  # fmt: skip
def test_a_bad_frame_names_its_field(frame: str | bytes, code: str, param: str | None) -> None:
    error = refused(frame)
    assert (error.code, error.param) == (code, param)


def test_an_unknown_type_is_answered_with_the_known_ones() -> None:
    assert refused('{"type": "pang"}').message == "Invalid value: 'pang'. Supported values are: 'ping', 'pong'."


@pytest.mark.parametrize(("event_id", "echoed"), [
    ('"evt_1"', "evt_1"),
    (f'"{"i" * 512}"', "i" * 512),
    (f'"{"i" * 513}"', None),
    ("7", None),
    ("null", None),
])  # fmt: skip
def test_the_event_id_is_echoed_if_it_is_a_text_of_bounded_length(event_id: str, echoed: str | None) -> None:
    assert refused(f'{{"type": "pang", "event_id": {event_id}}}').event_id == echoed


def test_the_event_id_of_half_a_character_elsewhere_is_echoed() -> None:
    assert refused('{"type": "pong", "event_id": "evt_1", "text": "\\udfff"}').event_id == "evt_1"
    assert refused('{"type": "pong", "event_id": "\\udfff", "text": ""}').event_id is None
