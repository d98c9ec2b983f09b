"""References to blobs: bytes that are too large to travel inside a message."""

from __future__ import annotations

import msgspec


class BlobRef(msgspec.Struct, frozen=True):
    """Location of a blob, for any process that uses the same `Blobs`."""

    tenant: str
    size: int
    """Bytes."""
    key: str
    """21 random characters of base 62."""
