"""Payloads of dubbing with something wrong in them: one error each, of the right code, and the stream lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antiphon.dubbing.effects import Send, Start
from antiphon.dubbing.stream import parse_init
from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_client import ErrorSimulation, SimulateDisconnect, StreamCommand, parse
from antiphon.wire.dubbing_server import DubbingError
from tests.unit.dubbing.stages import Stage, fragment, init

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CODES = {"INVALID_CONFIG", "INVALID_AUDIO_FORMAT", "STREAM_NOT_FOUND", "INVALID_SEQUENCE"}


@st.composite
def damaged(draw: st.DrawFn, good: dict[str, Any]) -> Any:
    """A good payload with a field replaced, taken away or added, here or one level down."""
    payload: dict[str, Any] = {**good}
    inside = [name for name, value in good.items() if isinstance(value, dict)]
    if inside and draw(st.booleans()):
        name = draw(st.sampled_from(inside))
        payload[name] = draw(damaged(good[name]))
        return payload
    name = draw(st.sampled_from([*good, "more"]))
    match draw(st.sampled_from(["replace", "take away", "whole"])):
        case "replace":
            payload[name] = draw(JUNK)
        case "take away":
            payload.pop(name, None)
        case _:
            return draw(JUNK)
    return payload


@given(damaged(fragment(0)))
def test_a_fragment_is_taken_or_refused_once_and_the_stream_lives(payload: Any) -> None:
    stage = Stage()
    told = stage.offer_raw(payload)
    errors = [one.payload for one in told if isinstance(one, Send) and isinstance(one.payload, DubbingError)]
    taken = any(isinstance(one, Start) for one in told)
    assert len(errors) == (0 if taken else 1)
    for error in errors:
        assert error.code in CODES
        assert error.message
    number = 1 if taken else 0
    assert any(isinstance(one, Start) for one in stage.offer(number, "sound"))


def taken_or_told(call: Callable[[], object]) -> object:
    """Return what a call gives, or what its refusal says."""
    try:
        return call()
    except InvalidRequest as error:
        return error.message


@given(damaged(init()))
def test_a_beginning_is_taken_or_names_what_is_wrong(payload: Any) -> None:
    assert taken_or_told(lambda: parse_init(payload).stream_id)


@given(JUNK)
def test_other_payloads_are_taken_or_refused(payload: Any) -> None:
    for kind in (StreamCommand, ErrorSimulation, SimulateDisconnect):
        assert taken_or_told(lambda kind=kind: isinstance(parse(payload, kind), kind))
