"""WAV, RF64 and AVI: chunks, lists of chunks and indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from antiphon.audio.claims.id3 import check_leading_tags
from antiphon.audio.claims.limits import MAX_DEPTH
from antiphon.audio.claims.source import ByteSource

_FILES = frozenset({b"RIFF", b"RF64"})
_LISTS = _FILES | {b"LIST"}
_NESTS = frozenset({b"WAVE", b"AVI ", b"AVIX", b"hdrl", b"strl", b"odml", b"INFO"})
"""Lists whose chunks are checked; ``movi`` holds the sound."""
_TABLES = {b"ds64": (24, 12), b"cue ": (0, 24), b"smpl": (28, 24), b"indx": (4, 8)}
"""Position of the number of entries in the chunk, and the minimum size of an entry."""
_INDEX_ENTRY_BYTES = 16
_UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes written by streams, whose writer does not seek, and for more than 4 GiB."""


class RiffChunk(NamedTuple):
    """A chunk without its header."""

    name: bytes
    start: int
    end: int
    """As claimed, but within the enclosing list; may be beyond the end of the file."""


def check_riff(source: ByteSource) -> None:
    """Check a file that begins with ``RIFF`` or ``RF64``."""
    _walk(source, RiffChunk(b"", 0, source.size), form=b"", depth=0)


def _walk(source: ByteSource, parent: RiffChunk, form: bytes, depth: int) -> None:
    for chunk in _chunks(source, parent):
        if form == b"INFO":
            source.tag()
        if chunk.name in _LISTS:
            inner = source.read(chunk.start, 4)
            if inner == b"strl":
                source.track()
            if inner in _NESTS and depth < MAX_DEPTH:
                _walk(source, chunk._replace(start=chunk.start + 4), inner, depth + 1)
        elif chunk.name in _TABLES:
            at, entry_bytes = _TABLES[chunk.name]
            count, room = source.little(chunk.start + at, 4), chunk.end - chunk.start - at - 4
            source.check_table(chunk.name.decode().strip(), count, entry_bytes, room)
        elif chunk.name == b"idx1":
            source.claim((min(chunk.end, source.size) - chunk.start) // _INDEX_ENTRY_BYTES)
        elif chunk.name.upper() == b"ID3 ":
            check_leading_tags(source, chunk.start)


def _chunks(source: ByteSource, parent: RiffChunk) -> Iterator[RiffChunk]:
    """Yield the chunks of a list, or of a file (which has no name), in the order of FFmpeg."""
    start, end = parent.start, parent.end
    long_size = _long_size(source, parent)
    while start + 8 <= min(end, source.size):
        source.step()
        head = source.read(start, 8)
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data" and long_size is not None:
            size = long_size
        elif name == b"data":
            size = end - start - 8 if size in _UNKNOWN else size
        elif not parent.name and name in _FILES:  # FFmpeg reads a WAV file to its end, whatever its size
            is_endless = size in _UNKNOWN or source.read(start + 8, 4) == b"WAVE"
            size = end - start - 8 if is_endless else size
        yield RiffChunk(name, start + 8, min(start + 8 + size, end))
        start += 8 + size + (size & 1)


def _long_size(source: ByteSource, parent: RiffChunk) -> int | None:
    """Return the size of the sound from the first chunk of an RF64 file; None in other lists."""
    if parent.name != b"RF64" or source.read(parent.start, 4) != b"ds64":
        return None
    return source.little(parent.start + 16, 8)
