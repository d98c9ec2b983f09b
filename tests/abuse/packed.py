"""Zeros, compressed a thousand to one."""

from __future__ import annotations

import zlib
from functools import cache

_PIECE_BYTES = 2**20
_ADLER_BASE = 65_521


def packed_zeros(count: int) -> bytes:
    """Return what zlib makes of ``count`` zeros, rounded up to whole MiB. One MiB is compressed, and repeated."""
    pieces = -(-count // _PIECE_BYTES)
    total = pieces * _PIECE_BYTES
    return b"\x78\x9c" + _piece() * pieces + b"\x03\x00" + ((total % _ADLER_BASE) << 16 | 1).to_bytes(4, "big")


@cache
def _piece() -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(bytes(_PIECE_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
