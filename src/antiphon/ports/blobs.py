"""Blobs: bytes that are too large for a message, kept for a limited time."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, Overloaded

_KEY = re.compile(r"[0-9A-Za-z]{21}")


class Blobs(Protocol):
    """Stores blobs for all processes that share it.

    A blob is readable as soon as `put` returns, whole and unchanged, until it is deleted or expires. A put that
    fails or is cancelled returns no reference, and its data is removed or expires. Blobs belong to a tenant: a
    reference under another tenant's name finds nothing. Every method raises `ProviderUnavailable` when the storage
    cannot be used, apart from `run`.
    """

    async def put(self, tenant: str, data: AsyncIterable[bytes], *, ttl_s: float) -> BlobRef:
        """Store a stream for ``ttl_s`` seconds.

        Raises `InvalidRequest` (``blob_too_large``) for a blob above the maximum size, and `Overloaded`
        (``blobs_full``) when the tenant would exceed its limit.
        """
        ...

    def get(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes from ``start`` to before ``stop`` (None: the end) in pieces; a range is cut to the blob.

        Raises `NotFound` (``blob_not_found``) when the blob expired, was deleted or never existed.
        """
        ...

    async def delete(self, ref: BlobRef) -> None:
        """Remove a blob, and give its bytes back to the tenant. Idempotent."""
        ...

    async def run(self, every_s: float) -> None:
        """Remove expired blobs every ``every_s`` seconds, until cancelled; returns at once if the storage does it."""
        ...


def check_key(ref: BlobRef) -> None:
    """Raise `NotFound` for a key in another form than `put` makes: keys become parts of paths and Redis keys."""
    if not _KEY.fullmatch(ref.key):
        raise not_found(ref)


def not_found(ref: BlobRef) -> NotFound:
    """Return the error of a reference without a blob."""
    return NotFound(f"There is no blob of {ref.size} bytes: it expired or was deleted.", code="blob_not_found")


def tenant_full(most_bytes: int) -> Overloaded:
    """Return the error of a tenant that would exceed its limit."""
    return Overloaded(f"The limit of {most_bytes} bytes of stored audio is reached.", code="blobs_full")
