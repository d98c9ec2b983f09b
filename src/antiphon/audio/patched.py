"""A file with some of its bytes replaced, without a copy of it."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Patched(io.RawIOBase):
    """Reads a file as if it were ``size`` bytes long and had ``patches`` at their positions.

    Moves the position of the file, and does not close it.
    """

    def __init__(self, file: BinaryIO, patches: Mapping[int, bytes], size: int) -> None:
        self._file = file
        self._patches = patches
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position and return it."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read as many bytes as there are and fit."""
        view = memoryview(buffer).cast("B")
        start = self._at
        self._file.seek(start)
        read = bytearray(self._file.read(max(0, min(len(view), self._size - start))))
        for at, patch in self._patches.items():
            first, end = max(at, start), min(at + len(patch), start + len(read))
            if first < end:
                read[first - start : end - start] = patch[first - at : end - at]
        view[: len(read)] = read
        self._at += len(read)
        return len(read)
