from __future__ import annotations

import io
import struct

import pytest

from antiphon.audio.claims.comments import number_of_comments
from antiphon.audio.claims.source import ByteSource
from antiphon.errors import InvalidRequest


def source(vendor: bytes, count: int, *, before: bytes = b"") -> ByteSource:
    return ByteSource(io.BytesIO(before + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", count)))


@pytest.mark.parametrize("vendor", [b"", b"Lavf61.1.100", bytes(4_096)])
def test_the_number_of_comments_follows_the_vendor(vendor: bytes) -> None:
    assert number_of_comments(source(vendor, 7), 0) == 7
    assert number_of_comments(source(vendor, 2**32 - 1, before=b"head"), 4) == 2**32 - 1


def test_a_vendor_longer_than_4_kib_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="claims a vendor of 4097 bytes"):
        number_of_comments(source(bytes(4_097), 1), 0)


def test_a_list_that_is_cut_off_has_no_comments() -> None:
    assert number_of_comments(ByteSource(io.BytesIO(struct.pack("<I", 4) + b"Lavf")), 0) == 0
    assert number_of_comments(ByteSource(io.BytesIO(b"")), 0) == 0
