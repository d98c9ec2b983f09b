"""FLV: the objects in its script tags."""

from __future__ import annotations

from antiphon.audio.claims.limits import MAX_DEPTH
from antiphon.audio.claims.source import ByteSource

_HEADER_BYTES_AT = 5
"""Position of the header's size."""
_TAG_HEADER_BYTES = 11
_TRAILER_BYTES = 4
_SCRIPT = 18
_TYPE_MASK = 0x1F
_TAGS_PER_PART = 8
"""Tags are cheaper to skip than other parts, and a long film has very many."""

_FIXED_BYTES = {0: 8, 1: 1, 11: 10}
"""Numbers, booleans and dates."""
_LENGTH_BYTES = {2: 2, 12: 4}
"""Strings and long strings begin with their length, of this size."""
_KEYED_BYTES = {3: 0, 8: 4}
"""Objects and named arrays; the latter begin with a number, which is ignored."""
_LIST = 10
_NUMBERS_PER_ENTRY = 4
"""FFmpeg keeps eight bytes per number of a list, a quarter of a sample's entry."""
_END = b"\0\0\x09"


def check_flv(source: ByteSource) -> None:
    """Check a file of tags."""
    at, tags = source.number(_HEADER_BYTES_AT, 4) + _TRAILER_BYTES, 0
    while at + _TAG_HEADER_BYTES <= source.size:
        tags += 1
        if tags % _TAGS_PER_PART == 0:
            source.step()
        head = source.read(at, _TAG_HEADER_BYTES)
        at += _TAG_HEADER_BYTES
        end = at + int.from_bytes(head[1:4], "big")
        if head[0] & _TYPE_MASK == _SCRIPT:
            _check_script(source, at, end)
        at = end + _TRAILER_BYTES


def _check_script(source: ByteSource, at: int, end: int) -> None:
    """Check the values of a script tag: a name, then its value."""
    while at < min(end, source.size):
        at = _after_value(source, at, end, 0)


def _after_value(source: ByteSource, at: int, end: int, depth: int) -> int:
    """Check a value and return its end."""
    source.step()
    kind, at = source.number(at, 1), at + 1
    if kind in _FIXED_BYTES:
        return at + _FIXED_BYTES[kind]
    if kind in _LENGTH_BYTES:
        return at + _LENGTH_BYTES[kind] + source.number(at, _LENGTH_BYTES[kind])
    if kind in _KEYED_BYTES and depth < MAX_DEPTH:
        return _after_object(source, at + _KEYED_BYTES[kind], end, depth + 1)
    if kind == _LIST and depth < MAX_DEPTH:
        return _after_list(source, at, end, depth + 1)
    return at


def _after_object(source: ByteSource, at: int, end: int, depth: int) -> int:
    while at < min(end, source.size) and source.read(at, len(_END)) != _END:
        source.tag()
        at = _after_value(source, at + 2 + source.number(at, 2), end, depth)
    return at + len(_END)


def _after_list(source: ByteSource, at: int, end: int, depth: int) -> int:
    count, at = source.number(at, 4), at + 4
    source.check_table("of a script", count, 1, end - at)
    source.claim(count // _NUMBERS_PER_ENTRY)
    while count and at < min(end, source.size):
        at = _after_value(source, at, end, depth)
        count -= 1
    return at
