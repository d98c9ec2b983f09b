"""Where sound ends is told from its size, if that can be true."""

from __future__ import annotations

import io
import struct

import pytest

from antiphon.audio.chunks import CAF, IFF, RIFF, Layout, are_chunks, chunks, sound_end
from antiphon.audio.claims.source import ByteSource

LAYOUTS = pytest.mark.parametrize(("layout", "number"), [(RIFF, "<I"), (IFF, ">I"), (CAF, ">Q")])
SOUND = bytes([0, 1, 250, 3]) * 25


def source(*parts: bytes) -> ByteSource:
    return ByteSource(io.BytesIO(b"".join(parts)))


@LAYOUTS
def test_chunks_have_a_name_and_a_size(layout: Layout, number: str) -> None:
    file = source(b"one ", struct.pack(number, 3), b"abc", bytes(layout.is_padded), b"two ", struct.pack(number, 9))
    head = 4 + layout.size_bytes
    second = 2 * head + 3 + layout.is_padded
    assert list(chunks(file, 0, layout)) == [(b"one ", head, 3), (b"two ", second, 9)]


@LAYOUTS
@pytest.mark.parametrize("claimed", [0, 4, 101, 2**31, 2**32 - 1])
def test_a_size_that_cannot_be_true_means_the_end_of_the_file(layout: Layout, number: str, claimed: int) -> None:
    file = source(b"data", struct.pack(number, claimed), SOUND)
    (chunk,) = list(chunks(file, 0, layout))[:1]
    assert sound_end(file, chunk, layout, empty_bytes=4) == file.size


@LAYOUTS
def test_a_size_that_can_be_true_is_kept(layout: Layout, number: str) -> None:
    more = b"more" + struct.pack(number, 4) + b"text"
    for sound, empty_bytes in ((SOUND, 0), (b"", 0), (SOUND[:4], 4)):
        file = source(b"data", struct.pack(number, len(sound)), sound, more)
        chunk = next(chunks(file, 0, layout))
        assert sound_end(file, chunk, layout, empty_bytes=empty_bytes) == file.size - len(more)


def test_nothing_is_a_row_of_chunks_and_a_cut_one_is_none() -> None:
    assert are_chunks(source(), 0, RIFF)
    assert not are_chunks(source(b"more", struct.pack("<I", 40), b"text"), 0, RIFF)
    assert not are_chunks(source(b"m\xe4rz", struct.pack("<I", 4), b"text"), 0, RIFF)
