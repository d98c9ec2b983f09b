"""ID3 and APE tags, at the beginning and the end of many file formats."""

from __future__ import annotations

import re

from antiphon.audio.claims.limits import BYTES_PER_PART, MAX_UNPACKED_BYTES
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.pyav import invalid_audio

_HEADER_BYTES = 10
_HEADER = re.compile(rb"ID3[^\xff][^\xff].[\0-\x7f]{4}", re.DOTALL)
_FOOTER, _FOOTER_VERSION = 0x10, 4
_FRAME = re.compile(
    rb"(?:T[A-Z0-9]{3}|COMM|USLT|PRIV|GEOB|APIC|CHAP|CTOC|WXXX|RVA2|UFID|POPM)|T[A-Z0-9]{2}\0|(?:COM|ULT|PIC|GEO)\0"
)
"""Frames are found by their names at any position, because programs write their sizes differently."""
_FRAME_START_BYTES = 15
_IS_PACKED = 0x09
"""The frame is compressed, and states its uncompressed size."""
_DEFLATED = 8

_APE_FOOTER_BYTES = 32
_ID3V1_BYTES = 128


def check_leading_tags(source: ByteSource, at: int = 0, room: int | None = None) -> int:
    """Check the consecutive ID3 tags at a position, and return their end.

    The last one must begin within ``room``, but may end beyond it: FFmpeg uses the size in the tag.
    """
    last = source.size if room is None else at + room - _HEADER_BYTES
    while at < last and _HEADER.fullmatch(head := source.read(at, _HEADER_BYTES)):
        source.step()
        end = _end(at, head)
        _check_frames(source, at, end)
        at = end
    return at


def check_id3_frames(source: ByteSource, start: int, end: int) -> None:
    """Check the frames between two positions, and those of tags that begin there, up to their ends."""
    for at in source.search(_HEADER, start, end, _HEADER_BYTES):
        end = max(end, _end(at, source.read(at, _HEADER_BYTES)))
    _check_frames(source, start, end)


def _end(at: int, head: bytes) -> int:
    """Return the end of a tag, by its header."""
    has_footer = head[3] == _FOOTER_VERSION and head[5] & _FOOTER
    return at + _HEADER_BYTES + _syncsafe(head[6:]) + (_HEADER_BYTES if has_footer else 0)


def _check_frames(source: ByteSource, start: int, end: int) -> None:
    """Check the number of frames and their uncompressed size."""
    source.step(max(0, min(end, source.size) - start) // BYTES_PER_PART)  # tags may overlap
    unpacked = 0
    for at in source.search(_FRAME, start, end, 4):
        source.tag()
        unpacked += _unpacked_bytes(source.read(at, _FRAME_START_BYTES), end - at)
        if unpacked > MAX_UNPACKED_BYTES:
            raise invalid_audio(f"the file's tags claim to unpack to {unpacked} bytes")


def _unpacked_bytes(head: bytes, room: int) -> int:
    """Return the claimed uncompressed size, which is between the flags and the first byte of zlib's header."""
    if len(head) < _FRAME_START_BYTES or head[9] & _IS_PACKED != _IS_PACKED or head[14] & 0x0F != _DEFLATED:
        return 0
    return int.from_bytes(head[10:14], "big") if _syncsafe(head[4:8]) <= room else 0


def _syncsafe(digits: bytes) -> int:
    """Return a number of seven bits per byte."""
    return sum((digit & 0x7F) << shift for digit, shift in zip(digits, (21, 14, 7, 0), strict=True))


def check_ape_tag(source: ByteSource) -> None:
    """Check the APE tag at the end of a file, before an ID3v1 tag if present."""
    end = source.size
    if source.read(end - _ID3V1_BYTES, 3) == b"TAG":
        end -= _ID3V1_BYTES
    at = end - _APE_FOOTER_BYTES
    if at >= 0 and source.read(at, 8) == b"APETAGEX":
        source.tag(source.little(at + 16, 4))
