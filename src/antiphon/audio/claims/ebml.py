"""Elements of EBML, the format of Matroska and WebM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from antiphon.audio.claims.source import ByteSource

UNKNOWN = 2**63
"""End of an element of unknown size."""

SEGMENT, CLUSTER, SIMPLE_BLOCK = 0x18538067, 0x1F43B675, 0xA3
_BLOCKS_PER_PART = 8
"""Blocks are cheaper to skip than other elements, and FFmpeg keeps nothing of them."""
_WIDTHS = bytes([0, *(9 - first.bit_length() for first in range(1, 256))])
"""Size of a number by its first byte; 0 is invalid."""


class Element(NamedTuple):
    """An element without its header."""

    id: int
    start: int
    end: int
    """As claimed, may be beyond the end of the file; `UNKNOWN` for an unknown size."""


def element_at(source: ByteSource, at: int) -> Element | None:
    """Return the element at a position, or None if the bytes there are invalid."""
    head = source.read(at, 12)
    id_bytes = _WIDTHS[head[0]] if head else 0
    if not 0 < id_bytes <= 4 or len(head) <= id_bytes:
        return None
    start = id_bytes + _WIDTHS[head[id_bytes]]
    if start == id_bytes or len(head) < start:
        return None
    all_ones = (1 << 7 * (start - id_bytes)) - 1
    size = int.from_bytes(head[id_bytes:start], "big") & all_ones
    end = UNKNOWN if size == all_ones else at + start + size
    return Element(int.from_bytes(head[:id_bytes], "big"), at + start, end)


def elements(source: ByteSource, start: int, end: int) -> Iterator[Element]:
    """Yield the elements between two positions, up to an invalid one or the first of unknown size."""
    end = min(end, source.size)
    while start < end:
        source.step()
        element = element_at(source, start)
        if element is None:
            return
        yield element
        start = element.end


def number_at(source: ByteSource, at: int) -> tuple[int, int]:
    """Return the number of variable width at a position, and its end."""
    head = source.read(at, 8)
    width = _WIDTHS[head[0]] if head else 0
    return int.from_bytes(head[:width], "big") & (1 << 7 * width) - 1, at + width


def behind_blocks(source: ByteSource, at: int, end: int) -> int:
    """Return the end of a run of simple blocks: a cluster of unknown size has very many."""
    end, blocks = min(end, source.size), 0
    while at < end:
        head = source.read(at, 9)
        if len(head) < 9 or head[0] != SIMPLE_BLOCK or not (width := _WIDTHS[head[1]]):
            break
        all_ones = (1 << 7 * width) - 1
        at += 1 + width + (int.from_bytes(head[1 : 1 + width], "big") & all_ones)
        blocks += 1
    source.step(blocks // _BLOCKS_PER_PART)
    return at
