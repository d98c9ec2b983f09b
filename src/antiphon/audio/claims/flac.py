"""FLAC: blocks of metadata before the sound."""

from __future__ import annotations

from antiphon.audio.claims.comments import number_of_comments
from antiphon.audio.claims.source import ByteSource

_SEEK_TABLE, _COMMENTS = 3, 4
_IS_LAST = 0x80
_SEEK_POINT_BYTES = 18


def check_flac(source: ByteSource) -> None:
    """Check a file that begins with ``fLaC``."""
    at, is_last = 4, False
    while not is_last and at + 4 <= source.size:
        source.step()
        head, size = source.number(at, 1), source.number(at + 1, 3)
        is_last = head & _IS_LAST > 0
        if head & ~_IS_LAST == _SEEK_TABLE:
            source.claim(size // _SEEK_POINT_BYTES)
        elif head & ~_IS_LAST == _COMMENTS:
            source.tag(number_of_comments(source, at + 4))
        at += 4 + size
