from __future__ import annotations

import struct
from uuid import UUID

import pytest

from tests.abuse.honest_files import honest_files
from tests.abuse.refusals import refusal
from tests.abuse.tag_bombs import id3_tag

ASF = honest_files()["asf-wmav2"]
CONTENT, METADATA, LIBRARY, MARKERS, INDEX, STREAM, EXTENSION, PROPERTIES = (
    UUID(name).bytes_le
    for name in (
        "D2D0A440-E307-11D2-97F0-00A0C95EA850",
        "C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA",
        "44231C94-9498-49D1-A141-1D134E457054",
        "F487CD01-A951-11CF-8EE6-00C00C205365",
        "33000890-E5B1-11CF-89F4-00A0C90349CB",
        "B7DC0791-A9B7-11CF-8EE6-00C00C205365",
        "5FBF03B5-A92E-11CF-8EE3-00C00C205365",
        "14E6A5CB-C672-4332-8399-A96952065B5A",
    )
)


def asf_object(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<Q", 24 + len(body) if size is None else size) + body


def with_object(added: bytes) -> bytes:
    size = struct.unpack_from("<Q", ASF, 16)[0]
    return ASF[:16] + struct.pack("<Q", size + len(added)) + ASF[24:size] + added + ASF[size:]


@pytest.mark.parametrize("name", [CONTENT, METADATA, LIBRARY], ids=["content", "metadata", "library"])
def test_tags_are_counted_also_in_the_extension(name: bytes) -> None:
    tags = asf_object(name, struct.pack("<H", 60_000))
    assert "tags, and may have 10000" in refusal(with_object(tags))
    assert "tags, and may have 10000" in refusal(with_object(asf_object(EXTENSION, bytes(22) + tags)))
    assert not refusal(with_object(asf_object(name, struct.pack("<H", 100))))


def test_a_tag_that_is_an_id3_tag_is_looked_into() -> None:
    frames = id3_tag(b"TXXX" * 10_001)
    for size in (None, 100):
        assert "claims 10001 tags" in refusal(with_object(asf_object(LIBRARY, b"\0\0" + frames, size)))


def test_a_table_must_lie_in_its_object() -> None:
    markers = asf_object(MARKERS, bytes(16) + struct.pack("<I", 10**9) + bytes(100))
    assert "the table of markers claims 1000000000 entries" in refusal(with_object(markers))
    index = asf_object(INDEX, bytes(28) + struct.pack("<I", 10**9) + bytes(100))
    assert "the table of the index claims 1000000000 entries" in refusal(ASF + index)


def test_streams_are_counted() -> None:
    assert "more than 32 tracks" in refusal(with_object(asf_object(STREAM, bytes(54)) * 40))


@pytest.mark.parametrize("size", [0, 1, 24, 2**31, 2**63, 2**64 - 1])
def test_sizes_of_objects_that_cannot_be_end_the_walk(size: int) -> None:
    assert not refusal(ASF[:16] + struct.pack("<Q", size) + ASF[24:])


@pytest.mark.parametrize("size", [None, 24, 46 + 32, 2**40])
def test_objects_are_found_where_those_before_them_end_for_ffmpeg(size: int | None) -> None:
    tags = asf_object(CONTENT, struct.pack("<H", 60_000))
    endless = asf_object(b"?" * 16, bytes(8) + asf_object(b"!" * 16, b"", 2**40))
    assert "tags, and may have 10000" in refusal(with_object(asf_object(EXTENSION, bytes(22) + endless, size) + tags))
    named = bytes(60) + struct.pack("<HH", 1, 1) + struct.pack("<HH", 0, 5) + b"names" + bytes(18) + b"\3\0\0\0abc"
    assert "tags, and may have 10000" in refusal(with_object(asf_object(PROPERTIES, named + endless, size) + tags))
    short = bytearray(with_object(tags))
    short[16:24] = struct.pack("<Q", size or 0)
    assert "tags, and may have 10000" in refusal(bytes(short))
