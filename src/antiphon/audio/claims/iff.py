"""AIFF: chunks with big-endian sizes."""

from __future__ import annotations

from antiphon.audio.claims.id3 import check_leading_tags
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_MAX_DESCRIPTION_BYTES = 64 * 1024


def check_aiff(source: ByteSource) -> None:
    """Check a file that begins with ``FORM``."""
    at = 12
    while at + 8 <= source.size:
        source.step()
        name, size = source.read(at, 4), source.number(at + 4, 4)
        if name == b"wave" and size > _MAX_DESCRIPTION_BYTES:
            raise invalid_audio(f"the description of a codec claims {size} bytes")
        tags_end = check_leading_tags(source, at + 8, size) if name == b"ID3 " else 0
        at = max(at + 8 + size + (size & 1), tags_end)
