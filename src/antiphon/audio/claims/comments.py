"""Vorbis comments, in Ogg and FLAC."""

from __future__ import annotations

from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_MAX_VENDOR_BYTES = 4 * 1024
"""Limit of the name of the program that wrote the file."""


def number_of_comments(source: ByteSource, at: int) -> int:
    """Return how many comments a list claims to have."""
    vendor_bytes = source.little(at, 4)
    if vendor_bytes > _MAX_VENDOR_BYTES:
        raise invalid_audio(f"the file claims a vendor of {vendor_bytes} bytes")
    return source.little(at + 4 + vendor_bytes, 4)
