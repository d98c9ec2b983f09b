"""Ogg: the comments of each logical stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from antiphon.audio.claims.comments import number_of_comments
from antiphon.audio.claims.source import ByteSource

_COMMENTS = {b"O": 8, b"\x03": 7, b"\x81": 7}
_COMMENTS_NAME = re.compile(rb"OpusTags|\x03vorbis|\x81theora")
"""Signatures of comments; they are searched at any position, regardless of pages."""
_LONGEST_NAME = 8
_SEARCHED_BYTES = 64 * 1024 * 1024

_PAGE_HEADER_BYTES = 27
_CONTINUES_PACKET, _BEGINS_STREAM = 0x01, 0x02
_FULL_SEGMENT = 255
_MAX_PAGES = 10_000
_HEADER_PACKETS = 8
_FLAC, _SPEEX = b"\x7fFLAC", b"Speex   "
_FLAC_COMMENTS = 0x04


def check_ogg(source: ByteSource) -> None:
    """Check a file of pages, in a long one only the beginning, which holds the headers."""
    for at in _comments(source):
        source.check_tags(number_of_comments(source, at))


def _comments(source: ByteSource) -> Iterator[int]:
    """Yield where lists of comments begin."""
    for at in source.search(_COMMENTS_NAME, 0, _SEARCHED_BYTES, _LONGEST_NAME):
        yield at + _COMMENTS[source.read(at, 1)]
    streams: dict[int, _Stream] = {}
    for page in _pages(source):
        if page.is_first:
            streams[page.serial] = _Stream(source.read(page.body, len(_SPEEX)))
        stream = streams.get(page.serial)
        if stream and stream.packets < _HEADER_PACKETS:
            yield from stream.comments(source, page)


class _Page(NamedTuple):
    serial: int
    is_first: bool
    is_continued: bool
    lacing: bytes
    body: int


@dataclass(slots=True)
class _Stream:
    codec: bytes
    packets: int = 0

    def comments(self, source: ByteSource, page: _Page) -> Iterator[int]:
        """Yield where lists of comments without a signature begin."""
        at, is_start = page.body, not page.is_continued
        for size in page.lacing:
            if is_start:
                if self.codec == _SPEEX and self.packets == 1:
                    yield at
                if self.codec.startswith(_FLAC) and source.number(at, 1) & 0x7F == _FLAC_COMMENTS:
                    yield at + 4
                self.packets += 1
            is_start = size < _FULL_SEGMENT
            at += size


def _pages(source: ByteSource) -> Iterator[_Page]:
    at = 0
    for _ in range(_MAX_PAGES):
        head = source.read(at, _PAGE_HEADER_BYTES)
        if len(head) < _PAGE_HEADER_BYTES or head[:4] != b"OggS":
            return
        lacing = source.read(at + len(head), head[26])
        body, serial = at + len(head) + len(lacing), int.from_bytes(head[14:18], "little")
        yield _Page(serial, head[5] & _BEGINS_STREAM > 0, head[5] & _CONTINUES_PACKET > 0, lacing, body)
        at = body + sum(lacing)
