"""Server events: names on the wire, and what an error repeats of its client."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.wire import realtime_server
from antiphon.wire.realtime_server import Degraded, Error, ErrorDetail, InputAudioBufferCleared, ServerEvent

EVENTS = [
    kind
    for kind in vars(realtime_server).values()
    if isinstance(kind, type) and issubclass(kind, ServerEvent) and isinstance(kind.__struct_config__.tag, str)
]


def test_no_two_events_have_the_same_name() -> None:
    names = [kind.__struct_config__.tag for kind in EVENTS if not kind.__subclasses__()]
    assert len(set(names)) == len(names) > 30


@pytest.mark.parametrize(("length", "is_whole"), [(1, True), (256, True), (257, False), (100_000, False)])
def test_a_long_event_id_is_shortened_in_an_error(length: int, is_whole: bool) -> None:
    event_id = "a" + "i" * (length - 1)
    told = ErrorDetail("invalid_request_error", None, "no", event_id=event_id).event_id
    assert told is not None
    assert (told == event_id) is is_whole
    assert len(told) <= 256
    assert told.startswith("a")


def test_an_error_has_all_its_keys_also_without_values() -> None:
    event = Error(event_id="event_1", error=ErrorDetail("api_error", None, "no"))
    assert msgspec.to_builtins(event) == {
        "type": "error",
        "event_id": "event_1",
        "error": {"type": "api_error", "code": None, "message": "no", "param": None, "event_id": None},
    }


def test_a_degraded_component_has_its_old_field_on_the_wire() -> None:
    told = msgspec.to_builtins(Degraded(event_id="event_1", component="stt", mode="text_input_only"))
    assert told == {
        "type": "antiphon.degraded",
        "event_id": "event_1",
        "leg": "stt",
        "mode": "text_input_only",
    }


def test_an_event_without_fields_is_its_type_and_its_id() -> None:
    assert msgspec.to_builtins(InputAudioBufferCleared(event_id="event_7")) == {
        "type": "input_audio_buffer.cleared",
        "event_id": "event_7",
    }
