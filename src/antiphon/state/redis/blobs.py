"""Blobs in Redis: one string each, with a time to live, and a count of bytes per tenant."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterable

from antiphon import ids
from antiphon.connections.redis import RedisConnection, Script
from antiphon.entities.blobs import BlobRef
from antiphon.errors import InvalidRequest
from antiphon.ports.blobs import check_key, not_found, tenant_full

MOST_BYTES = 8 * 2**20
"""Largest blob: Redis is blocked while it copies one."""
_PIECE_BYTES = 2**20

_HOLD, _FREE = (Script.load("antiphon.state.redis", name) for name in ("blob_hold", "blob_free"))


class RedisBlobs:
    """`Blobs` of at most 8 MiB in Redis."""

    def __init__(self, connection: RedisConnection, *, tenant_bytes: int) -> None:
        self._connection = connection
        self._tenant_bytes = tenant_bytes

    async def put(self, tenant: str, data: AsyncIterable[bytes], *, ttl_s: float) -> BlobRef:
        """Store a stream. Raises `InvalidRequest` above 8 MiB, `Overloaded`, `ProviderUnavailable`."""
        content = bytearray()
        async for piece in data:
            content += piece
            if len(content) > MOST_BYTES:
                raise InvalidRequest("A blob in Redis has at most 8 MiB.", code="blob_too_large")
        ref, ttl_ms = BlobRef(tenant, len(content), ids.token()), math.ceil(ttl_s * 1000)
        arguments = (_member(ref), ref.size, ttl_ms, self._tenant_bytes)
        if not await self._connection.run(_HOLD, _held(tenant), *arguments):
            raise tenant_full(self._tenant_bytes)
        await self._connection.command("SET", _key(ref), bytes(content), "PX", ttl_ms)
        return ref

    async def get(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield a range of a blob. Raises `NotFound`, `ProviderUnavailable`."""
        check_key(ref)
        stop = ref.size if stop is None else min(stop, ref.size)
        if not await self._connection.command("EXISTS", _key(ref)):  # an empty range would not show it
            raise not_found(ref)
        for at in range(start, stop, _PIECE_BYTES):
            end = min(stop, at + _PIECE_BYTES)
            piece: bytes = await self._connection.command("GETRANGE", _key(ref), at, end - 1)
            if len(piece) != end - at:
                raise not_found(ref)
            yield piece

    async def delete(self, ref: BlobRef) -> None:
        """Remove a blob. Raises `ProviderUnavailable`."""
        await self._connection.command("UNLINK", _key(ref))
        await self._connection.run(_FREE, _held(ref.tenant), _member(ref))

    async def run(self, every_s: float) -> None:
        """Return at once: Redis removes what has expired."""


def _key(ref: BlobRef) -> str:
    return f"t:{ref.tenant}:blob:{{{ref.key}}}"


def _held(tenant: str) -> tuple[str, str]:
    """Return a tenant's keys: expiry times of its blobs, and their bytes in all."""
    return f"t:{tenant}:blobs:{{{tenant}}}:due", f"t:{tenant}:blobs:{{{tenant}}}:bytes"


def _member(ref: BlobRef) -> str:
    return f"{ref.key}:{ref.size}"
