"""Pages of Ogg, with their checksums."""

from __future__ import annotations

import struct
import zlib

OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
SILENCE = b"\xf8\xff\xfe"
"""20 ms of Opus."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def page(lacing: bytes, body: bytes, *, serial: int = 1, number: int = 0, flags: int = 0, granule: int = 0) -> bytes:
    """Return a page."""
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, number)
    rest = bytes([len(lacing)]) + lacing + body
    return head + struct.pack("<I", _checksum(head + bytes(4) + rest)) + rest


def packet_pages(packet: bytes, *, serial: int = 1, number: int = 0, flags: int = 0) -> bytes:
    """Return the pages of one packet."""
    lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    pages: list[bytes] = []
    for start in range(0, len(lacing), 255):
        body = packet[start * 255 : (start + 255) * 255]
        kind = flags if start == 0 else 1
        pages.append(page(lacing[start : start + 255], body, serial=serial, number=number + len(pages), flags=kind))
    return b"".join(pages)


def ogg_file(head: bytes, comments: bytes, *, serial: int = 1, packets: int = 20) -> bytes:
    """Return a logical stream of its two headers and some silence."""
    headers = packet_pages(head, serial=serial, flags=2) + packet_pages(comments, serial=serial, number=1)
    sound = (
        page(bytes([len(SILENCE)]), SILENCE, serial=serial, number=100 + index, granule=960 * (index + 1))
        for index in range(packets)
    )
    return headers + b"".join(sound)


def _checksum(data: bytes) -> int:
    """Return the CRC-32 of Ogg: that of zlib, with the bits of all bytes and of the result the other way round."""
    crc = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
