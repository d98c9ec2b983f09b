from __future__ import annotations

import io
import struct

import pytest

from antiphon.audio.claims.boxes import Box, boxes, children_start
from antiphon.audio.claims.source import ByteSource
from antiphon.errors import InvalidRequest
from tests.abuse.mov_bombs import box, full_box


def found(data: bytes, end: int | None = None) -> list[tuple[bytes, int, int]]:
    listed = boxes(ByteSource(io.BytesIO(data)), 0, len(data) if end is None else end)
    return [(one.name, one.start, one.end) for one in listed]


def header(size: int, name: bytes) -> bytes:
    return struct.pack(">I4s", size, name)


def test_boxes_follow_each_other() -> None:
    assert found(box(b"ftyp", bytes(4)) + box(b"free") + box(b"mdat", b"sound")) == [
        (b"ftyp", 8, 12),
        (b"free", 20, 20),
        (b"mdat", 28, 33),
    ]


def test_a_size_of_64_bits_follows_the_name() -> None:
    assert found(header(1, b"mdat") + struct.pack(">Q", 20) + bytes(4)) == [(b"mdat", 16, 20)]


def test_a_size_of_zero_reaches_to_the_end() -> None:
    assert found(header(0, b"mdat") + bytes(10)) == [(b"mdat", 8, 18)]
    assert found(header(0, b"mdat") + bytes(10), end=12) == [(b"mdat", 8, 12)]


@pytest.mark.parametrize(
    "data", [header(7, b"mdat"), header(1, b"mdat") + struct.pack(">Q", 15), b"", b"\0\0\0\x08moo"]
)
def test_an_impossible_size_or_half_a_header_ends_the_list(data: bytes) -> None:
    assert found(box(b"free") + data) == [(b"free", 8, 8)]


def test_a_box_may_claim_more_than_the_file_but_not_more_than_its_parent() -> None:
    assert found(header(100, b"mdat"), end=200) == [(b"mdat", 8, 100)]
    assert found(header(100, b"mdat"), end=50) == [(b"mdat", 8, 50)]


@pytest.mark.parametrize("name", [b"free", b"hoov"])
@pytest.mark.parametrize("child", [b"mvhd", b"cmov"])
def test_a_lost_header_is_found_in_free_space(name: bytes, child: bytes) -> None:
    assert found(box(name, box(child)))[0][0] == b"moov"
    assert found(box(name, box(b"junk")))[0][0] == name
    assert found(box(b"skip", box(child)))[0][0] == b"skip"


def test_very_many_boxes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="parts or more"):
        found(box(b"free") * 70_000)


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (box(b"trak", box(b"tkhd")), 8),
        (box(b"meta", full_box(b"hdlr", bytes(4))), 8),
        (full_box(b"meta", full_box(b"hdlr", bytes(4))), 12),
        (box(b"meta", bytes(20)), 8),
    ],
    ids=["other", "meta of MOV", "meta with a version", "meta without hdlr"],
)
def test_children_of_a_meta_begin_before_its_handler(data: bytes, start: int) -> None:
    source = ByteSource(io.BytesIO(data))
    (parent,) = boxes(source, 0, len(data))
    assert children_start(source, parent) == start


def test_a_meta_is_searched_for_four_kib_only() -> None:
    data = box(b"meta", bytes(5_000), full_box(b"hdlr"))
    assert children_start(ByteSource(io.BytesIO(data)), Box(b"meta", 8, len(data))) == 8
