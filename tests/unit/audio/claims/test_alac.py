from __future__ import annotations

import struct

import pytest

from antiphon.audio.claims.alac import check_alac
from antiphon.errors import InvalidRequest

USUAL, LARGE = (struct.pack(">I", samples) + bytes(20) for samples in (4_096, 2**24))
BOX = struct.pack(">I", 36) + b"alac" + bytes(4)


@pytest.mark.parametrize("description", [USUAL, BOX + USUAL, bytes(28) + BOX + USUAL, BOX + USUAL + BOX + USUAL, b""])
def test_usual_frames_pass(description: bytes) -> None:
    check_alac(description)


@pytest.mark.parametrize("description", [LARGE, BOX + LARGE, LARGE + BOX + USUAL, BOX + LARGE + BOX + USUAL])
def test_large_frames_are_refused_whatever_comes_behind_them(description: bytes) -> None:
    with pytest.raises(InvalidRequest, match="frames of 16777216 samples"):
        check_alac(description)
