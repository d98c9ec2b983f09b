"""Blobs in Redis: how large, how long, what a lost reply costs, and what is said without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from antiphon.connections.redis import RedisConnection, Script
from antiphon.entities.blobs import BlobRef
from antiphon.errors import InvalidRequest, ProviderUnavailable
from antiphon.state.redis.blobs import MOST_BYTES, RedisBlobs

TENANT_BYTES = 9 * 2**20
REF = BlobRef("t", 5, "k" * 21)


async def put(blobs: RedisBlobs, data: bytes = b"sound", tenant: str = "t", ttl_s: float = 60.0) -> BlobRef:
    async def stream() -> AsyncGenerator[bytes]:
        yield data

    return await blobs.put(tenant, stream(), ttl_s=ttl_s)


@pytest.fixture
async def connection(redis_url: str) -> AsyncGenerator[RedisConnection]:
    made = RedisConnection(redis_url)
    await made.command("FLUSHDB")
    yield made
    await made.close()


async def test_a_blob_above_the_maximum_is_refused_and_holds_nothing(connection: RedisConnection) -> None:
    blobs = RedisBlobs(connection, tenant_bytes=TENANT_BYTES)
    await put(blobs, bytes(MOST_BYTES))
    with pytest.raises(InvalidRequest, match="8 MiB") as refused:
        await put(blobs, bytes(MOST_BYTES + 1), tenant="u")
    assert refused.value.code == "blob_too_large"
    assert not [key for key in await connection.command("KEYS", "*") if b"t:u:" in key]


async def test_all_keys_of_a_tenant_expire_with_its_last_blob(connection: RedisConnection) -> None:
    blobs = RedisBlobs(connection, tenant_bytes=TENANT_BYTES)
    for ttl_s in (300.0, 600.0, 450.0):
        await put(blobs, ttl_s=ttl_s)
    left_ms = {key.decode(): await connection.command("PTTL", key) for key in await connection.command("KEYS", "*")}
    assert len(left_ms) == 5
    assert all(540_000 < ms <= 600_000 for key, ms in left_ms.items() if ":blobs:" in key)
    assert sorted(ms > 240_000 for key, ms in left_ms.items() if ":blob:" in key) == [True] * 3
    assert max(left_ms.values()) <= 600_000


async def test_a_reservation_that_is_repeated_for_want_of_a_reply_counts_once(connection: RedisConnection) -> None:
    hold = Script.load("antiphon.state.redis", "blob_hold")
    keys = ("t:t:blobs:{t}:due", "t:t:blobs:{t}:bytes")
    for _ in range(2):
        assert await connection.run(hold, keys, "k:6", 6, 60_000, 10) == 1
    assert await connection.command("GET", keys[1]) == b"6"
    assert await connection.run(hold, keys, "l:5", 5, 60_000, 10) == 0


ATTEMPTS: list[Callable[[RedisBlobs], Awaitable[object]]] = [
    put,
    lambda blobs: anext(blobs.get(REF)),
    lambda blobs: blobs.delete(REF),
]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=["put", "get", "delete"])
async def test_without_redis_every_method_says_so(attempt: Callable[[RedisBlobs], Awaitable[object]]) -> None:
    connection = RedisConnection("redis://127.0.0.1:1/0", timeout_s=0.05)
    with pytest.raises(ProviderUnavailable) as away:
        await attempt(RedisBlobs(connection, tenant_bytes=TENANT_BYTES))
    assert away.value.code == "redis_unavailable"
    await connection.close()


async def test_redis_needs_no_clean_up(connection: RedisConnection) -> None:
    await asyncio.wait_for(RedisBlobs(connection, tenant_bytes=TENANT_BYTES).run(0.0), 10)
