from __future__ import annotations

import struct

import pytest

from tests.abuse.refusals import refusal
from tests.abuse.table_bombs import chunk, riff, table_bombs

BOMBS = dict(table_bombs())
FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 17, 1, 8_000, 4_096, 256, 4))
DATA = chunk(b"data", bytes(256))


@pytest.mark.parametrize("name", ["wav cue", "wav smpl", "rf64 table", "avi index 0", "avi index 1"])
@pytest.mark.parametrize("count", [10**7, 2**32 - 1])
def test_a_table_must_lie_in_its_chunk(name: str, count: int) -> None:
    assert f"claims {count} entries, and has" in refusal(BOMBS[f"{name} of {count}"])
    assert not refusal(BOMBS[f"{name} of 0"])


def test_texts_are_counted_also_behind_the_sound() -> None:
    texts = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"x") * 10_001)
    for chunks in ((FORMAT, texts, DATA), (FORMAT, DATA, texts), (FORMAT, chunk(b"LIST", b"hdrl" + texts), DATA)):
        assert "claims 10001 tags" in refusal(riff(b"WAVE", *chunks))
    sizes = chunk(b"ds64", struct.pack("<3QI", 0, 256, 0, 0))
    long = chunk(b"data", bytes(256), size=2**32 - 1)
    assert "claims 10001 tags" in refusal(riff(b"WAVE", sizes, FORMAT, long, texts, kind=b"RF64"))


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_the_sound_of_a_stream_without_a_size_is_not_taken_for_chunks(size: int) -> None:
    stream = b"RIFF" + struct.pack("<I", size) + b"WAVE" + FORMAT + b"data" + struct.pack("<I", size)
    assert not refusal(stream + chunk(b"cue ", struct.pack("<I", 10**9)))


def test_streams_of_a_film_are_counted() -> None:
    assert "more than 32 tracks" in refusal(BOMBS["avi many streams"])


def test_the_index_of_a_film_may_be_as_long_as_it_is() -> None:
    assert not refusal(BOMBS["avi long index"])


def test_many_chunks_and_lists_inside_lists_end_the_walk() -> None:
    assert "parts or more" in refusal(BOMBS["wav many chunks"])
    assert not refusal(BOMBS["wav nested lists"])


TEXTS = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"x") * 10_001)
HIDING = chunk(b"JUNK", b"zzzz" + struct.pack("<I", 2**31))
"""A chunk that looks like the beginning of a very long one from its middle on."""


def test_chunks_are_walked_from_where_those_before_them_end_for_ffmpeg() -> None:
    twice = [chunk(b"ds64", struct.pack("<3QI", 0, size, 0, 0)) for size in (256, 2**40)]
    long = chunk(b"data", bytes(256), size=2**32 - 1)
    short = chunk(b"data", struct.pack("<II", 0, 2**31) + bytes(248), size=0)
    for data in (long, short):
        assert "claims 10001 tags" in refusal(riff(b"WAVE", *twice[:1], FORMAT, *twice[1:], data, TEXTS, kind=b"RF64"))
    cut = bytearray(riff(b"WAVE", HIDING, FORMAT, DATA, TEXTS))
    cut[4:8] = struct.pack("<I", 12)
    assert "claims 10001 tags" in refusal(bytes(cut))
    for nested in (riff(b"WAVE", HIDING[8:]), b"RIFF" + bytes(4)):
        assert "claims 10001 tags" in refusal(riff(b"WAVE", nested, FORMAT, DATA, TEXTS))
