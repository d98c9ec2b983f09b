from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from antiphon.doors.server.frames import (
    BAD_DATA,
    FRAMES_AT_ONCE,
    LONG_BYTES,
    NO_CODE,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Closing,
    FrameReader,
    Incoming,
    LongText,
    Ping,
    Pong,
    close_frame,
    frame,
)

MOST = 100_000


def read(reader: FrameReader, data: bytes) -> list[Incoming]:
    """Everything that is complete, however many turns it takes."""
    events = reader.feed(data)
    while reader.has_more:
        events += reader.feed(b"")
    return events


def client(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A masked frame by another implementation."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=True)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Incoming]]:
    """Messages whole and in pieces with control frames in between, and what must come of them."""
    raw, expected = b"", list[Incoming]()
    for _ in range(draw(st.integers(1, 5))):
        text = draw(st.text(max_size=40)) * draw(st.sampled_from([1, 1, 1, 1, 1, 1000]))
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


@given(
    conversation=conversations(),
    times=st.sampled_from([1, 1, 1, 30]),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
)
def test_a_conversation_reads_the_same_however_it_is_cut(
    conversation: tuple[bytes, list[Incoming]], times: int, cuts: list[int]
) -> None:
    raw, expected = conversation[0] * times, conversation[1] * times
    reader = FrameReader(10**7)
    places = sorted({min(cut, len(raw)) for cut in cuts})
    events: list[Incoming] = []
    for start, end in zip([0, *places], [*places, len(raw)], strict=True):
        events += read(reader, raw[start:end])
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


@pytest.mark.parametrize(
    "frames",
    [
        [client(9, b"%d" % number) for number in range(1000)],
        [client(1, b"") for _ in range(1000)],
        [client(1, b"x", fin=False), *(client(0, b"y", fin=False) for _ in range(998)), client(0, b"z")],
        [client(2, b"", fin=False), *(client(0, b"", fin=False) for _ in range(998)), client(0, b"")],
    ],
    ids=["pings", "empty messages", "pieces of a byte", "empty pieces"],
)
def test_a_packet_of_many_frames_is_read_so_many_at_a_time(frames: list[bytes]) -> None:
    reader, whole = FrameReader(MOST), FrameReader(MOST)
    events, turns = reader.feed(b"".join(frames)), 1
    while reader.has_more:
        held = reader.held_bytes
        events += reader.feed(b"")
        assert reader.held_bytes < held
        turns += 1
    assert turns == -(-len(frames) // FRAMES_AT_ONCE)
    assert events == [event for one in frames for event in whole.feed(one)]
    assert reader.held_bytes == 0


def test_input_that_arrives_while_frames_wait_is_read_after_them() -> None:
    reader = FrameReader(MOST)
    events = reader.feed(client(9, b"early") * 100)
    events += reader.feed(client(9, b"late") * 100)
    assert events == [Ping(b"early")] * 100 + [Ping(b"late")] * (2 * FRAMES_AT_ONCE - 100)
    assert read(reader, b"") == [Ping(b"late")] * (200 - 2 * FRAMES_AT_ONCE)


def test_incomplete_input_is_counted() -> None:
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


def test_no_frame_is_read_after_a_close() -> None:
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


@pytest.mark.parametrize("text", ["x", "\u20ac", "\U0001f600", "xy\U0001f600"])
@pytest.mark.parametrize("cut", [1_000, 65_537])
def test_a_long_text_is_checked_as_it_comes_and_stays_as_it_is(text: str, cut: int) -> None:
    data = text.encode() * (LONG_BYTES // len(text.encode()) + 1)
    reader, events = FrameReader(2 * LONG_BYTES), list[Incoming]()
    raw = client(TEXT, data[: LONG_BYTES // 2], fin=False) + client(0, data[LONG_BYTES // 2 :]) + client(TEXT, b"short")
    for at in range(0, len(raw), cut):
        events += read(reader, raw[at : at + cut])
    long, short = events
    assert isinstance(long, LongText)
    assert (long.data, short) == (data, "short")


@pytest.mark.parametrize("end", [b"\xff", "\u20ac".encode()[:2]])
def test_a_long_text_that_is_no_utf_8_is_refused_where_it_ends_to_be(end: bytes) -> None:
    data = b"x" * LONG_BYTES + end
    reader, raw = FrameReader(2 * LONG_BYTES), client(TEXT, data)
    assert [event for at in range(0, len(raw), 65_536) for event in read(reader, raw[at : at + 65_536])] == []
    assert reader.failure is not None
    assert reader.failure.code == BAD_DATA
    assert f"at byte {LONG_BYTES}" in reader.failure.reason
