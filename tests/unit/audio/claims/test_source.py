from __future__ import annotations

import io
import re

import pytest

from antiphon.audio.claims.source import ByteSource
from antiphon.errors import InvalidRequest


def test_numbers_behind_the_end_are_zero() -> None:
    source = ByteSource(io.BytesIO(b"\1\2\3"))
    assert (source.number(0, 2), source.number(2, 2), source.number(3, 4), source.number(-1, 1)) == (258, 768, 0, 0)
    assert (source.little(0, 2), source.little(2, 2), source.little(2**70, 4)) == (513, 3, 0)


def test_words_end_with_the_file() -> None:
    source = ByteSource(io.BytesIO(bytes(range(10))))
    assert [list(block) for block in source.words(1, 100)] == [[0x01020304, 0x05060708]]
    assert [list(block) for block in source.words(0, 1)] == [[0x00010203]]


def test_a_pattern_is_found_once_also_across_blocks() -> None:
    data = bytearray(2 * 2**20 + 100)
    for at in (0, 2**20 - 2, 2**20 + 5, 2 * 2**20 - 1):
        data[at : at + 4] = b"name"
    assert list(ByteSource(io.BytesIO(data)).search(re.compile(b"name"), 0, len(data), 4)) == [
        *(0, 2**20 - 2, 2**20 + 5, 2 * 2**20 - 1)
    ]


def test_a_small_file_has_few_parts_and_few_entries() -> None:
    source = ByteSource(io.BytesIO(bytes(1_000)))
    source.step(60_003)
    with pytest.raises(InvalidRequest, match="the file has 1000 bytes in 60004 parts or more"):
        source.step()
    source.claim(1_000_100)
    with pytest.raises(InvalidRequest, match="the file claims 1000101 samples, and has 1000 bytes"):
        source.claim(1)
