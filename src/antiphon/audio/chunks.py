"""Chunks of WAV, AIFF and CAF, each with a name and a size; and the end of the sound if its size is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from antiphon.audio.claims.source import ByteSource

_NAME_BYTES = 4


class Layout(NamedTuple):
    """How a file format writes the sizes of its chunks."""

    size_bytes: int
    order: Literal["big", "little"]
    is_padded: bool
    """Whether a chunk begins at an even position."""

    @property
    def head_bytes(self) -> int:
        """Bytes of a name and a size."""
        return _NAME_BYTES + self.size_bytes


RIFF, IFF, CAF = Layout(4, "little", True), Layout(4, "big", True), Layout(8, "big", False)


class Chunk(NamedTuple):
    """A chunk without its header, with its claimed size."""

    name: bytes
    start: int
    size: int


def chunks(source: ByteSource, at: int, layout: Layout) -> Iterator[Chunk]:
    """Yield the chunks from a position to the end of the file."""
    while at + layout.head_bytes <= source.size:
        source.step()
        head = source.read(at, layout.head_bytes)
        chunk = Chunk(head[:_NAME_BYTES], at + len(head), int.from_bytes(head[_NAME_BYTES:], layout.order))
        yield chunk
        at = chunk.start + chunk.size + (chunk.size & layout.is_padded)


def sound_end(source: ByteSource, sound: Chunk, layout: Layout, *, empty_bytes: int = 0) -> int:
    """Return where a chunk of sound ends: by its size if that is valid, else at the end of the file.

    A size beyond the end of the file is invalid (recorders write one while they do not know it), and so is one of
    ``empty_bytes`` or less that is not followed by chunks.
    """
    end = sound.start + sound.size
    is_true = end <= source.size and (sound.size > empty_bytes or are_chunks(source, end, layout))
    return end if is_true else source.size


def are_chunks(source: ByteSource, at: int, layout: Layout) -> bool:
    """Say whether the rest of the file from a position is a sequence of chunks, or empty."""
    end = at
    for chunk in chunks(source, at, layout):
        if not (chunk.name.isascii() and chunk.name.decode().isprintable()):
            return False
        end = chunk.start + chunk.size
    return 0 <= source.size - end <= 1
