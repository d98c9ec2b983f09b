"""A patched file reads as one that was written so."""

from __future__ import annotations

import io
import os

from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.patched import Patched

DATA = bytes(range(200))


@given(
    st.dictionaries(st.integers(0, 220), st.binary(max_size=20), max_size=3),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 220), st.integers(0, 60)), max_size=5),
)
def test_every_read_gives_what_a_changed_copy_would(
    patches: dict[int, bytes], size: int, reads: list[tuple[int, int]]
) -> None:
    copy = bytearray(DATA)
    for at, patch in patches.items():
        kept = patch[: max(0, len(DATA) - at)]
        copy[at : at + len(kept)] = kept
    same, patched = io.BytesIO(bytes(copy[:size])), Patched(io.BytesIO(DATA), patches, size)
    for at, count in reads:
        assert patched.seek(at) == same.seek(at)
        assert patched.read(count) == same.read(count)
        assert patched.tell() == same.tell()
    assert patched.read() == same.read()


def test_positions_count_from_the_end_that_it_is_given() -> None:
    patched = Patched(io.BytesIO(DATA), {150: b"end"}, 153)
    assert patched.seekable()
    assert patched.readable()
    assert patched.seek(0, os.SEEK_END) == 153
    assert patched.seek(-3, os.SEEK_CUR) == 150
    assert patched.read() == b"end"
