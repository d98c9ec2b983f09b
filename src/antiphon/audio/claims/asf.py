"""ASF, WMA and WMV: objects of the header, and lists of tags in them.

FFmpeg reads objects as a flat sequence: those in the header, in its extension and in the properties of a stream begin
after the fixed fields of these, whatever size these claim.
"""

from __future__ import annotations

from uuid import UUID

from antiphon.audio.claims.id3 import check_id3_frames
from antiphon.audio.claims.source import ByteSource

_OBJECT_HEADER_BYTES = 24


def _id(text: str) -> bytes:
    return UUID(text).bytes_le


_HEADER = _id("75B22630-668E-11CF-A6D9-00AA0062CE6C")
_HEADER_EXTENSION = _id("5FBF03B5-A92E-11CF-8EE3-00C00C205365")
_CONTENT = _id("D2D0A440-E307-11D2-97F0-00A0C95EA850")
_METADATA = _id("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA")
_METADATA_LIBRARY = _id("44231C94-9498-49D1-A141-1D134E457054")
_STREAM_PROPERTIES = _id("14E6A5CB-C672-4332-8399-A96952065B5A")
_STREAM = _id("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
_MARKERS = _id("F487CD01-A951-11CF-8EE6-00C00C205365")
_INDEX = _id("33000890-E5B1-11CF-89F4-00A0C90349CB")

_HEADER_BYTES, _EXTENSION_BYTES, _STREAM_PROPERTIES_BYTES = 6, 22, 64
"""Size of the fixed fields; names and extensions follow those of the stream properties."""
_TAGS = frozenset({_CONTENT, _METADATA, _METADATA_LIBRARY})
"""Objects that begin with the number of tags, in 16 bits."""
_TABLES = {_MARKERS: ("of markers", 16, 30), _INDEX: ("of the index", 28, 6)}
"""Position of the number of entries in the object, and the minimum size of an entry."""


def check_asf(source: ByteSource) -> None:
    """Check a file of objects."""
    start = _OBJECT_HEADER_BYTES + _HEADER_BYTES if source.read(0, 16) == _HEADER else 0
    while start + _OBJECT_HEADER_BYTES <= source.size:
        source.step()
        name, size = source.read(start, 16), source.little(start + 16, 8)
        body, start = start + _OBJECT_HEADER_BYTES, start + max(size, _OBJECT_HEADER_BYTES)
        if name == _HEADER_EXTENSION:
            start = body + _EXTENSION_BYTES
        elif name == _STREAM_PROPERTIES:
            start = _behind_properties(source, body)
        elif name in _TAGS:
            source.tag(source.little(body, 2))
            check_id3_frames(source, body, start)
        elif name in _TABLES:
            table, at, entry_bytes = _TABLES[name]
            source.check_table(table, source.little(body + at, 4), entry_bytes, start - body - at - 4)
        elif name == _STREAM:
            source.track()


def _behind_properties(source: ByteSource, body: int) -> int:
    """Return where the names and extensions in the properties of a stream end."""
    names, extensions = source.little(body + 60, 2), source.little(body + 62, 2)
    at = body + _STREAM_PROPERTIES_BYTES
    for length_at, length_bytes in [(2, 2)] * names + [(18, 4)] * extensions:
        source.step()
        at += length_at + length_bytes + source.little(at + length_at, length_bytes)
    return at
