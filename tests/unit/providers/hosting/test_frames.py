from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.providers.hosting.frames import (
    Audio,
    Cancel,
    Done,
    Failed,
    Frames,
    Phonemes,
    Phonemize,
    Ready,
    Say,
    decode_reply,
    decode_request,
    frame,
)

REPLIES = [Ready(0, 22_050, (("en", "en", "x"),)), Audio(1, b"\0\1"), Phonemes(2, "ə"), Done(3), Failed(4, "why")]
REQUESTS = [Say(1, "hi", "v", "en", 1.5), Phonemize(2, "hi", "de"), Cancel(1)]


@given(st.lists(st.integers(1, 12), min_size=1))
def test_messages_arrive_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream, frames, bodies, turn = b"".join(map(frame, REPLIES)), Frames(), [], 0
    while stream:
        cut = cuts[turn % len(cuts)]
        bodies += frames.feed(stream[:cut])
        stream, turn = stream[cut:], turn + 1
    assert [decode_reply(body) for body in bodies] == REPLIES


def test_requests_are_read_back() -> None:
    bodies = Frames().feed(b"".join(map(frame, REQUESTS)))
    assert [decode_request(body) for body in bodies] == REQUESTS


@pytest.mark.parametrize("junk", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x40rest"])
def test_a_length_beyond_reason_is_an_error(junk: bytes) -> None:
    with pytest.raises(ValueError, match="a frame of"):
        Frames().feed(junk)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x81\xa4type\xa4none", b"\x82\xa4type\xa5audio\xa2id\xa1x"])
def test_a_body_that_is_no_message_is_an_error_of_values(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_reply(body)
