from __future__ import annotations

import io

import pytest

from antiphon.audio.claims.ebml import (
    CLUSTER,
    SEGMENT,
    SIMPLE_BLOCK,
    UNKNOWN,
    behind_blocks,
    element_at,
    elements,
    number_at,
)
from antiphon.audio.claims.limits import FREE_PARTS
from antiphon.audio.claims.source import ByteSource
from antiphon.errors import InvalidRequest
from tests.abuse.matroska_bombs import element

BLOCK = b"\xa3\x84data"


def source(data: bytes) -> ByteSource:
    return ByteSource(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xa3\x84data", (SIMPLE_BLOCK, 2, 6)),
        (b"\x1f\x43\xb6\x75\x40\x02ab", (CLUSTER, 6, 8)),
        (b"\x18\x53\x80\x67\x01\0\0\0\0\0\0\x05", (SEGMENT, 12, 17)),
        (b"\x1f\x43\xb6\x75\xff", (CLUSTER, 5, UNKNOWN)),
        (b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff", (CLUSTER, 12, UNKNOWN)),
        (b"\xa3\xfe", (SIMPLE_BLOCK, 2, 128)),
    ],
    ids=["short", "two bytes of size", "eight bytes of size", "unknown", "long unknown", "beyond the end"],
)
def test_an_element_has_an_id_and_a_size_of_variable_width(data: bytes, expected: tuple[int, int, int]) -> None:
    assert element_at(source(data), 0) == expected


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x81", b"\x08\x81aaaaa", b"\xa3", b"\xa3\x00", b"\xa3\x40", b"\x1f\x43\xb6"]
)
def test_other_bytes_are_no_element(data: bytes) -> None:
    assert element_at(source(data), 0) is None


def test_elements_are_listed_up_to_the_first_invalid_one() -> None:
    data = BLOCK + b"\x1f\x43\xb6\x75\x80" + b"\0junk"
    assert [one.id for one in elements(source(data), 0, len(data))] == [SIMPLE_BLOCK, CLUSTER]
    assert [one.id for one in elements(source(data), 0, 3)] == [SIMPLE_BLOCK]
    assert [one.id for one in elements(source(data), 6, 10**9)] == [CLUSTER]


def test_an_element_of_unknown_size_is_the_last_one() -> None:
    data = BLOCK + b"\x1f\x43\xb6\x75\xff" + BLOCK
    assert [one.end for one in elements(source(data), 0, len(data))] == [6, UNKNOWN]


def test_very_many_elements_are_refused() -> None:
    data = element("EC") * 70_000
    with pytest.raises(InvalidRequest, match="parts or more"):
        list(elements(source(data), 0, len(data)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"\x85", (5, 1)), (b"\x41\x02", (258, 2)), (b"\x01" + bytes(6) + b"\x07", (7, 8)), (b"", (0, 0))],
)
def test_a_number_is_of_variable_width(data: bytes, expected: tuple[int, int]) -> None:
    assert number_at(source(data), 0) == expected
    value, end = number_at(source(b"xx" + data), 2)
    assert (value, end) == (expected[0], expected[1] + 2)


def test_a_run_of_blocks_ends_at_another_element_or_at_the_end() -> None:
    data = BLOCK * 3 + b"\x1f\x43\xb6\x75\x80" + bytes(9)
    assert behind_blocks(source(data), 0, len(data)) == 18
    assert behind_blocks(source(data), 0, 7) == 12
    assert behind_blocks(source(data), 18, len(data)) == 18
    assert behind_blocks(source(BLOCK), 0, 6) == 0, "shorter than the header of a block can be"


def test_eight_blocks_count_as_one_part() -> None:
    for blocks, is_refused in ((87, False), (88, True)):
        data = b"\xa3\x80" * blocks + bytes(7)
        made = source(data)
        made.step(FREE_PARTS - 10)
        if is_refused:
            with pytest.raises(InvalidRequest, match="parts or more"):
                behind_blocks(made, 0, len(data))
        else:
            assert behind_blocks(made, 0, len(data)) == 2 * blocks
