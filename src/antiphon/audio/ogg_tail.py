"""Repairs the truncated last page of an Ogg file, which FFmpeg would skip."""

from __future__ import annotations

from itertools import accumulate

from antiphon.audio.claims.source import ByteSource

_HEADER_BYTES = 27
_LONGEST_BYTES = _HEADER_BYTES + 255 + 255 * 255
_FLAGS, _CHECKSUM, _SEGMENTS = 5, slice(22, 26), 26
_ENDS_STREAM = 0x04
_FULL_SEGMENT = 255
_POLYNOMIAL = 0x04C11DB7


def last_page(source: ByteSource) -> tuple[int, bytes] | None:
    """Return the position of a truncated last page, and a page of its whole packets; None if no page is truncated.

    The page keeps its granule position, because no page follows it.
    """
    begin = max(0, source.size - _LONGEST_BYTES)
    tail = source.read(begin, _LONGEST_BYTES)
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) <= _HEADER_BYTES or len(page) < _HEADER_BYTES + page[_SEGMENTS]:
        return None
    body = _HEADER_BYTES + page[_SEGMENTS]
    lacing = page[_HEADER_BYTES:body]
    if body + sum(lacing) <= len(page):
        return None
    ends = enumerate(accumulate(lacing), start=1)
    whole = [(count, end) for count, end in ends if lacing[count - 1] < _FULL_SEGMENT and body + end <= len(page)]
    if not whole:
        return None
    count, end = whole[-1]
    made = bytearray(page[:_HEADER_BYTES] + lacing[:count] + page[body : body + end])
    made[_FLAGS] &= ~_ENDS_STREAM
    made[_CHECKSUM], made[_SEGMENTS] = bytes(4), count
    made[_CHECKSUM] = _checksum(made).to_bytes(4, "little")
    return begin + at, bytes(made)


def _remainder(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1) ^ (_POLYNOMIAL if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def _checksum(page: bytes | bytearray) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _REMAINDERS[value >> 24 ^ byte]
    return value
