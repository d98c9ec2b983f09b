"""Of a cut Ogg page the whole packets are kept."""

from __future__ import annotations

import io

import pytest

from antiphon.audio.claims.source import ByteSource
from antiphon.audio.ogg_tail import last_page
from tests.abuse.honest_files import sound_file

FILE = sound_file("ogg", "libopus")
PAGE_AT = FILE.rindex(b"OggS")
LACING = FILE[PAGE_AT + 27 : PAGE_AT + 27 + FILE[PAGE_AT + 26]]
BODY_AT = PAGE_AT + 27 + len(LACING)


def tail(end: int) -> tuple[int, bytes] | None:
    return last_page(ByteSource(io.BytesIO(FILE[:end])))


def test_a_whole_file_has_no_cut_page() -> None:
    assert tail(len(FILE)) is None
    assert last_page(ByteSource(io.BytesIO(b"no page at all"))) is None


def test_a_page_of_which_not_one_packet_is_there_is_left_out() -> None:
    assert [tail(end) for end in (PAGE_AT + 10, BODY_AT - 1, BODY_AT, BODY_AT + sum(LACING[:2]) - 1)] == [None] * 4


@pytest.mark.parametrize("segments", [2, 3, len(LACING) - 2])
def test_the_packets_that_are_there_make_a_page_with_a_right_checksum(segments: int) -> None:
    assert LACING[segments - 1] < 255
    size = sum(LACING[:segments])
    found = tail(BODY_AT + size + 1)
    assert found is not None
    at, page = found
    assert at == PAGE_AT
    assert page[:5] == b"OggS\0"
    assert (page[5] & 4, page[26], page[27 : 27 + segments]) == (0, segments, LACING[:segments])
    assert page[27 + segments :] == FILE[BODY_AT : BODY_AT + size]
    assert checksum(page) == 0


def checksum(page: bytes) -> int:
    """Divide a page by Ogg's polynomial, bit by bit, with its checksum put where the remainder comes."""
    body = page[:22] + bytes(4) + page[26:]
    value = 0
    for byte in body:
        for bit in range(7, -1, -1):
            top = value >> 31 ^ byte >> bit & 1
            value = (value << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if top else 0)
    return value ^ int.from_bytes(page[22:26], "little")
