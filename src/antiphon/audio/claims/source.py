"""Bounded reads of a file's headers and tables, and the sums of its claims."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterator
from re import Pattern
from typing import BinaryIO

from antiphon.audio.claims.limits import (
    BYTES_PER_ENTRY,
    BYTES_PER_PART,
    FREE_ENTRIES,
    FREE_PARTS,
    MAX_ENTRIES,
    MAX_TAGS,
    MAX_TRACKS,
)
from antiphon.audio.pyav import invalid_audio
from antiphon.errors import InvalidRequest

_BLOCK_BYTES = 64 * 1024
_SEARCH_BYTES = 1024 * 1024
_WINDOW_BYTES = 4 * 1024
"""Bytes read at a time: headers are close to each other."""


class ByteSource:
    """Reads the parts of a file, limited by the size of the file. All errors are `InvalidRequest`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._parts = 0
        self._entries = 0
        self._tags = 0
        self._tracks = 0
        self._window = b""
        self._window_at = 0

    def read(self, at: int, count: int) -> bytes:
        """Return up to ``count`` bytes from a position; fewer, or none, at the end of the file."""
        start = at - self._window_at
        if not 0 <= start <= len(self._window) - count:
            if not 0 <= at < self.size:
                return b""
            self._file.seek(at)
            self._window, self._window_at, start = self._file.read(max(count, _WINDOW_BYTES)), at, 0
        return self._window[start : start + count]

    def number(self, at: int, width: int) -> int:
        """Return a big-endian number of ``width`` bytes; bytes beyond the end of the file are zero."""
        return int.from_bytes(self.read(at, width).ljust(width, b"\0"), "big")

    def little(self, at: int, width: int) -> int:
        """Return a little-endian number of ``width`` bytes; bytes beyond the end of the file are zero."""
        return int.from_bytes(self.read(at, width), "little")

    def words(self, at: int, count: int) -> Iterator[array[int]]:
        """Yield big-endian numbers of 32 bits, in blocks, up to the end of the file."""
        end = min(at + 4 * count, self.size)
        while at + 4 <= end:
            block = array("I", self.read(at, min(_BLOCK_BYTES, (end - at) // 4 * 4)))
            if sys.byteorder == "little":
                block.byteswap()
            yield block
            at += 4 * len(block)

    def search(self, pattern: Pattern[bytes], start: int, end: int, longest: int) -> Iterator[int]:
        """Yield the positions of a pattern, whose matches have at most ``longest`` bytes."""
        end = min(end, self.size)
        while start < end:
            block = self.read(start, min(_SEARCH_BYTES + longest - 1, end - start))
            for match in pattern.finditer(block):
                if match.start() < _SEARCH_BYTES:
                    yield start + match.start()
            start += _SEARCH_BYTES

    def step(self, parts: int = 1) -> None:
        """Count parts that are read."""
        self._parts += parts
        if self._parts > FREE_PARTS + self.size // BYTES_PER_PART:
            raise invalid_audio(f"the file has {self.size} bytes in {self._parts} parts or more")

    def claim(self, entries: int) -> None:
        """Count entries for which a demuxer allocates memory."""
        self._entries += entries
        if self._entries > min(MAX_ENTRIES, FREE_ENTRIES + self.size // BYTES_PER_ENTRY):
            raise self.too_much(self._entries, "samples")

    def tag(self, tags: int = 1) -> None:
        """Count titles, artists and so on."""
        self._tags += tags
        self.check_tags(self._tags)

    def check_tags(self, tags: int) -> None:
        """Check the number of tags of one list."""
        if tags > MAX_TAGS:
            raise invalid_audio(f"the file claims {tags} tags, and may have {MAX_TAGS}")

    def track(self) -> None:
        """Count one track."""
        self._tracks += 1
        if self._tracks > MAX_TRACKS:
            raise invalid_audio(f"the file has more than {MAX_TRACKS} tracks")

    def check_table(self, name: str, count: int, entry_bytes: int, room: int) -> None:
        """Check that a table of ``count`` entries fits into its ``room`` bytes."""
        if count * entry_bytes > room:
            raise invalid_audio(f"the table {name} claims {count} entries, and has {max(room, 0)} bytes")

    def too_much(self, count: int, what: str) -> InvalidRequest:
        """Return the error for a claim that is too large for the file."""
        return invalid_audio(f"the file claims {count} {what}, and has {self.size} bytes")
