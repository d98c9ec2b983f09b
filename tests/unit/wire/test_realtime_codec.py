"""Frames in and out: the hot event is rendered as any other would be, and audio is what its base64 says."""

from __future__ import annotations

import msgspec
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.event_decoder import BadEvent
from antiphon.wire.realtime_codec import decode_audio, encode, encode_audio_delta
from antiphon.wire.realtime_server import ResponseOutputAudioDelta

DELTA = ResponseOutputAudioDelta(
    event_id="event_1", response_id="resp_1", item_id="item_1", output_index=2, content_index=1, delta=""
)


@given(st.binary(max_size=64))
def test_a_rendered_delta_is_what_the_encoder_would_write(audio: bytes) -> None:
    slow = encode(msgspec.structs.replace(DELTA, delta=pybase64.b64encode(audio).decode()))
    assert msgspec.json.decode(encode_audio_delta(DELTA, audio)) == msgspec.json.decode(slow)


@given(st.binary(max_size=64))
def test_audio_is_what_its_base64_says(audio: bytes) -> None:
    assert decode_audio(pybase64.b64encode(audio).decode(), param="audio", event_id=None, most=64) == audio


@pytest.mark.parametrize("text", ["=", "AAA", "AA A=", "AAAA\n", "ÄÄÄÄ", "A-_A", "AAAA=AAA"])
def test_what_is_no_base64_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(BadEvent) as refused:
        decode_audio(text, param="item.content[0].audio", event_id="event_1")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "item.content[0].audio")
    assert refused.value.event_id == "event_1"


def test_audio_beyond_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(BadEvent, match="4 bytes of audio; the most is 3") as refused:
        decode_audio("AAAAAA==", param="audio", event_id=None, most=3)
    assert refused.value.code == "audio_too_large"
