from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from antiphon.doors.frames import (
    BAD_DATA,
    NO_CODE,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Closing,
    FrameReader,
    Incoming,
    Ping,
    Pong,
    close_frame,
    frame,
)

MOST = 100_000


def client(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A masked frame by another implementation."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=True)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Incoming]]:
    """Messages whole and in pieces with control frames in between, and what must come of them."""
    raw, expected = b"", list[Incoming]()
    for _ in range(draw(st.integers(1, 5))):
        text = draw(st.text(max_size=200)) * draw(st.sampled_from([1, 1, 1, 1, 1, 400]))
        data = text.encode()
        binary = draw(st.booleans())
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        for number, piece in enumerate(pieces):
            opcode = 0 if number else 2 if binary else 1
            raw += client(opcode, piece, fin=number == len(pieces) - 1)
            if number < len(pieces) - 1 and draw(st.booleans()):
                raw += client(9, piece[:125]) + client(10, b"here")
                expected += [Ping(piece[:125]), Pong(b"here")]
        expected.append(data if binary else text)
    return raw, expected


@given(conversation=conversations(), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_a_conversation_reads_the_same_however_it_is_cut(
    conversation: tuple[bytes, list[Incoming]], cuts: list[int]
) -> None:
    raw, expected = conversation
    reader = FrameReader(10**7)
    places = sorted({min(cut, len(raw)) for cut in cuts})
    events: list[Incoming] = []
    for start, end in zip([0, *places], [*places, len(raw)], strict=True):
        events += reader.feed(raw[start:end])
    assert events == expected
    assert reader.failure is None
    assert reader.held_bytes == 0


@given(junk=st.binary(max_size=300), most=st.integers(0, 50))
def test_junk_is_read_or_refused_with_a_code_and_nothing_is_kept_of_it(junk: bytes, most: int) -> None:
    reader = FrameReader(most)
    reader.feed(junk)
    assert reader.held_bytes <= most + 140
    if reader.failure is not None:
        assert reader.failure.code in (PROTOCOL_ERROR, BAD_DATA, TOO_BIG)
        assert reader.failure.reason
        assert reader.feed(client(1, b"more")) == []
        assert reader.held_bytes == 0


def test_what_is_incomplete_is_counted() -> None:
    reader = FrameReader(MOST)
    whole = client(1, b"x" * 1000)
    assert reader.feed(whole[:500]) == []
    assert reader.held_bytes == 500 - 8
    assert reader.feed(whole[500:]) == ["x" * 1000]
    assert reader.held_bytes == 0


@pytest.mark.parametrize("size", [MOST + 1, 2**31, 2**63])
def test_a_message_that_is_too_long_is_refused_by_its_head(size: int) -> None:
    reader = FrameReader(MOST)
    reader.feed(b"\x82\xff" + size.to_bytes(8, "big") + b"abcd")
    assert reader.failure is not None
    assert reader.failure.code == TOO_BIG


def test_pieces_that_are_too_long_together_are_refused() -> None:
    reader = FrameReader(MOST)
    reader.feed(client(1, b"x" * 60_000, fin=False))
    assert reader.failure is None
    reader.feed(client(0, b"x" * 60_000))
    assert reader.failure is not None
    assert reader.failure.code == TOO_BIG
    assert reader.held_bytes == 0


def test_nothing_is_read_behind_a_close() -> None:
    reader = FrameReader(MOST)
    events = reader.feed(client(8, b"") + client(1, b"late"))
    assert events == [Closing(NO_CODE, "", b"")]
    assert reader.feed(client(1, b"later")) == []


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_our_frames_are_read_by_others(size: int) -> None:
    from websockets.protocol import CLIENT, Protocol

    peer = Protocol(CLIENT, max_size=None)
    peer.receive_data(frame(TEXT, b"y" * size) + close_frame(4000, "é" * 200))
    text, goodbye = peer.events_received()
    assert isinstance(text, Frame)
    assert isinstance(goodbye, Frame)
    assert bytes(text.data) == b"y" * size
    assert peer.close_rcvd is not None
    assert (peer.close_rcvd.code, peer.close_rcvd.reason) == (4000, "é" * 61)
