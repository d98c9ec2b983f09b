"""CAF: chunks, the table of packets and the list of texts."""

from __future__ import annotations

from antiphon.audio.claims.alac import check_alac
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_FILE_HEADER_BYTES = 8
_CHUNK_HEADER_BYTES = 12
_TABLE_HEADER_BYTES = 24
_LEAST_TEXT_BYTES = 2
"""An empty key and an empty value."""
_MAX_COOKIE_BYTES = 1024
_UNKNOWN = 2**64 - 1


def check_caf(source: ByteSource) -> None:
    """Check a file that begins with ``caff``."""
    at = _FILE_HEADER_BYTES
    codec, has_constant_size = b"", False
    while at + _CHUNK_HEADER_BYTES <= source.size:
        source.step()
        name, size = source.read(at, 4), source.number(at + 4, 8)
        at += _CHUNK_HEADER_BYTES
        match name:
            case b"desc" if codec:
                raise invalid_audio("the file describes its sound twice")
            case b"desc":
                codec = source.read(at + 8, 4)
                has_constant_size = source.number(at + 16, 4) > 0 and source.number(at + 20, 4) > 0
            case b"pakt" if not has_constant_size:
                count = source.number(at, 8)
                source.check_table("pakt", count, 1, size - _TABLE_HEADER_BYTES)
                source.claim(count)
            case b"kuki" if codec == b"alac":
                check_alac(source.read(at, min(size, _MAX_COOKIE_BYTES)))
            case b"info":
                count = source.number(at, 4)
                source.check_table("info", count, _LEAST_TEXT_BYTES, size - 4)
                source.tag(count)
            case b"data" if size == _UNKNOWN:
                return
            case _:
                pass
        at += size
