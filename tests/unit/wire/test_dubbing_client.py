"""What a media worker sends: its audio apart from what describes it."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_client import (
    FORMATS,
    MAX_AUDIO_BASE64,
    FragmentAudio,
    FragmentData,
    check_audio,
    parse,
    take_audio,
)
from tests.unit.dubbing.stages import fragment


def with_base64(text: object) -> dict[str, Any]:
    return fragment(0, audio={**fragment(0)["audio"], "data_base64": text})


def test_audio_is_taken_out_of_its_payload() -> None:
    payload = fragment(0, metadata={"pts_ns": 5})
    described, audio = take_audio(payload)
    assert audio == b"sound"
    assert payload == fragment(0, metadata={"pts_ns": 5}), "the payload itself is as it was"
    assert list(described) == list(payload), "the first of several faults is told: their order stays"
    assert "c291bmQ=" not in repr(described)
    taken = parse(described, FragmentData)
    assert (taken.pts_ms, taken.audio.format) == (parse(payload, FragmentData).pts_ms, "m4a")


def test_what_stands_for_audio_that_was_taken_is_no_audio_itself() -> None:
    described, _ = take_audio(fragment(0))
    assert take_audio(described) == (described, None)


@pytest.mark.parametrize(
    "payload",
    [
        *(with_base64(text) for text in ("", "not base64!", "AAA", "\ud800AAA", 7, None, "A" * (MAX_AUDIO_BASE64 + 1))),
        fragment(0, audio="AAAA"),
        fragment(0, audio={}),
        {},
        None,
        "text",
        [fragment(0)],
    ],
    ids=lambda payload: repr(payload)[:40],
)
def test_what_cannot_be_decoded_stays_where_it_is(payload: Any) -> None:
    described, audio = take_audio(payload)
    assert audio is None
    assert described is payload


@pytest.mark.parametrize("name", FORMATS)
def test_audio_of_a_known_format_may_be_worked_on(name: str) -> None:
    audio = FragmentAudio(format=name, sample_rate_hz=48_000, channels=2, duration_ms=1, data_base64="taken")
    check_audio(audio, is_decoded=True)
    with pytest.raises(InvalidRequest, match="not base64") as refused:
        check_audio(audio, is_decoded=False)
    assert refused.value.param == "audio.data_base64"


def test_an_unknown_format_is_refused_before_its_audio() -> None:
    audio = FragmentAudio(format="mp3", sample_rate_hz=48_000, channels=2, duration_ms=1, data_base64="x")
    with pytest.raises(InvalidRequest, match="mp3") as refused:
        check_audio(audio, is_decoded=False)
    assert refused.value.param == "audio.format"
