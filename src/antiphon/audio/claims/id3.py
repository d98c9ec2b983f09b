"""ID3 and APE tags, at the beginning and at the end of many kinds of files."""

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
"""Frames are known by their names, wherever they are: programs disagree about how their sizes are written."""
_FRAME_START_BYTES = 15
_IS_PACKED = 0x09
"""The frame is compressed, and says how long it was before."""
_DEFLATED = 8

_APE_FOOTER_BYTES = 32
_ID3V1_BYTES = 128


def check_leading_tags(source: ByteSource, at: int = 0, room: int | None = None) -> int:
    """Check the ID3 tags that stand at a position, one behind the other. Returns where they end.

    They may be longer than ``room``, in which the last of them begins: FFmpeg goes by what a tag says itself.
    """
    last = source.size if room is None else at + room - _HEADER_BYTES
    while at < last and _HEADER.fullmatch(head := source.read(at, _HEADER_BYTES)):
        source.step()
        end = _end(at, head)
        _check_frames(source, at, end)
        at = end
    return at


def check_id3_frames(source: ByteSource, start: int, end: int) -> None:
    """Check the frames between two positions, and those of tags that begin there, wherever these end."""
    for at in source.search(_HEADER, start, end, _HEADER_BYTES):
        end = max(end, _end(at, source.read(at, _HEADER_BYTES)))
    _check_frames(source, start, end)


def _end(at: int, head: bytes) -> int:
    """Return where a tag ends, by its header."""
    has_footer = head[3] == _FOOTER_VERSION and head[5] & _FOOTER
    return at + _HEADER_BYTES + _syncsafe(head[6:]) + (_HEADER_BYTES if has_footer else 0)


def _check_frames(source: ByteSource, start: int, end: int) -> None:
    """Check how many frames there are, and what they unpack to."""
    source.step(max(0, min(end, source.size) - start) // BYTES_PER_PART)  # tags may overlap
    unpacked = 0
    for at in source.search(_FRAME, start, end, 4):
        source.tag()
        unpacked += _unpacked_bytes(source.read(at, _FRAME_START_BYTES), end - at)
        if unpacked > MAX_UNPACKED_BYTES:
            raise invalid_audio(f"the file's tags claim to unpack to {unpacked} bytes")


def _unpacked_bytes(head: bytes, room: int) -> int:
    """Return what a compressed frame claims to unpack to: size, flags, that, and the first byte of zlib's header."""
    if len(head) < _FRAME_START_BYTES or head[9] & _IS_PACKED != _IS_PACKED or head[14] & 0x0F != _DEFLATED:
        return 0
    return int.from_bytes(head[10:14], "big") if _syncsafe(head[4:8]) <= room else 0


def _syncsafe(digits: bytes) -> int:
    """Return a number that is written with seven bits in a byte."""
    return sum((digit & 0x7F) << shift for digit, shift in zip(digits, (21, 14, 7, 0), strict=True))


def check_ape_tag(source: ByteSource) -> None:
    """Check the APE tag that a file ends with, before an ID3 tag of the first version if there is one."""
    end = source.size
    if source.read(end - _ID3V1_BYTES, 3) == b"TAG":
        end -= _ID3V1_BYTES
    at = end - _APE_FOOTER_BYTES
    if at >= 0 and source.read(at, 8) == b"APETAGEX":
        source.tag(source.little(at + 16, 4))
