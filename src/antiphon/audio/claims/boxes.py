"""Boxes of ISO base media files (MP4, MOV, M4A, 3GP), as FFmpeg finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from antiphon.audio.claims.source import ByteSource

_META_BYTES = 4 * 1024
"""FFmpeg searches the first box of a ``meta`` at every position; the search here is limited to these bytes."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box without its header."""

    name: bytes
    start: int
    end: int
    """As claimed, but within the enclosing box; may be beyond the end of the file."""


def boxes(source: ByteSource, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes from one position to another, until one has an impossible size."""
    while start + 8 <= min(end, source.size):
        source.step()
        head = source.read(start, 16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        body = start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            size = min(end, source.size) - start
        if size < body - start:
            return
        claimed_end = start + size
        if name in {b"free", b"hoov"} and source.read(body + 4, 4) in {b"mvhd", b"cmov"}:
            name = b"moov"  # FFmpeg searches a lost header there
        yield Box(name, body, min(claimed_end, end))
        start = claimed_end


def children_start(source: ByteSource, box: Box) -> int:
    """Return where the boxes inside a box begin; in ``meta``, which may have a version, at ``hdlr``."""
    if box.name != b"meta":
        return box.start
    head = source.read(box.start, min(_META_BYTES, max(0, box.end - box.start)))
    return box.start + max(0, head.find(b"hdlr") - 4)
