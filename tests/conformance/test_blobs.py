"""What every `Blobs` promises. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from antiphon.clock import VirtualClock
from antiphon.connections.redis import RedisConnection
from antiphon.entities.blobs import BlobRef
from antiphon.errors import InvalidRequest, NotFound, Overloaded
from antiphon.ports.blobs import Blobs
from antiphon.state.redis.blobs import MOST_BYTES, RedisBlobs
from antiphon.store.blobs import FileBlobs
from tests.conformance.redis_time import let_pass

TENANT_BYTES = 9 * 2**20
LONG_S = 600.0
SHORT_S = 60.0


class Pair(NamedTuple):
    """What two processes have, and a way to let time pass for both."""

    one: Blobs
    other: Blobs
    advance: Callable[[float], None]


@asynccontextmanager
async def files(_: str, folder: Path) -> AsyncGenerator[Pair]:
    clock = VirtualClock()
    one, other = (FileBlobs(folder, tenant_bytes=TENANT_BYTES, clock=clock) for _ in range(2))
    yield Pair(one, other, clock.advance)


@asynccontextmanager
async def redis(url: str, _: Path) -> AsyncGenerator[Pair]:
    one, other = RedisConnection(url), RedisConnection(url)
    await one.command("FLUSHDB")
    blobs = (RedisBlobs(connection, tenant_bytes=TENANT_BYTES) for connection in (one, other))
    yield Pair(*blobs, partial(let_pass, url))
    await one.close()
    await other.close()


ADAPTERS: dict[str, Callable[[str, Path], AbstractAsyncContextManager[Pair]]] = {"files": files, "redis": redis}


@pytest.fixture(params=list(ADAPTERS))
async def pair(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with ADAPTERS[request.param](redis_url, tmp_path / "deep" / "blobs") as made:
        yield made


async def stream(*pieces: bytes) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece


async def put(blobs: Blobs, data: bytes = b"sound", tenant: str = "t", ttl_s: float = LONG_S) -> BlobRef:
    return await blobs.put(tenant, stream(data), ttl_s=ttl_s)


async def read(blobs: Blobs, ref: BlobRef, start: int = 0, stop: int | None = None) -> bytes:
    async with aclosing(blobs.get(ref, start, stop)) as pieces:
        return b"".join([piece async for piece in pieces])


async def is_there(blobs: Blobs, ref: BlobRef) -> bool:
    try:
        await read(blobs, ref)
    except NotFound:
        return False
    return True


async def test_another_process_reads_what_was_put_in_pieces(pair: Pair) -> None:
    large = bytes(range(256)) * 10_000
    ref = await pair[0].put("t", stream(b"one", b"", large, b"two"), ttl_s=LONG_S)
    assert (ref.tenant, ref.size) == ("t", len(large) + 6)
    assert await read(pair[1], ref) == b"one" + large + b"two"


async def test_a_large_blob_comes_in_pieces(pair: Pair) -> None:
    ref = await put(pair[0], bytes(3 * 2**20))
    sizes = [len(piece) async for piece in pair[1].get(ref)]
    assert sum(sizes) == ref.size
    assert max(sizes) <= 2**20


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, b"0123456789"),
        (3, 7, b"3456"),
        (3, None, b"3456789"),
        (9, 10, b"9"),
        (8, 99, b"89"),
        (4, 4, b""),
        (5, 2, b""),
        (10, None, b""),
        (99, 100, b""),
    ],
)
async def test_a_range_is_cut_to_the_blob(pair: Pair, start: int, stop: int | None, expected: bytes) -> None:
    assert await read(pair[0], await put(pair[0], b"0123456789"), start, stop) == expected


async def test_a_range_may_lie_across_pieces(pair: Pair) -> None:
    data = bytes(range(256)) * (2**20 // 256) * 2
    ref = await put(pair[0], data)
    assert await read(pair[0], ref, 2**20 - 3, 2**20 + 5) == data[2**20 - 3 : 2**20 + 5]


async def test_an_empty_blob_is_a_blob(pair: Pair) -> None:
    ref = await put(pair[0], b"")
    assert await read(pair[1], ref) == b""
    await pair[0].delete(ref)
    assert not await is_there(pair[1], ref)


async def test_a_deleted_blob_is_gone_and_may_be_deleted_again(pair: Pair) -> None:
    ref = await put(pair[0])
    await pair[1].delete(ref)
    with pytest.raises(NotFound) as error:
        await read(pair[0], ref)
    assert error.value.code == "blob_not_found"
    await pair[0].delete(ref)


async def test_a_blob_expires(pair: Pair) -> None:
    ref, other = await put(pair[0], ttl_s=SHORT_S), await put(pair[0])
    assert await is_there(pair[1], ref)
    pair.advance(SHORT_S + 1)
    assert not await is_there(pair[1], ref)
    assert await is_there(pair[1], other)


async def test_an_empty_range_of_a_blob_that_is_gone_is_an_error_too(pair: Pair) -> None:
    ref = await put(pair[0])
    await pair[0].delete(ref)
    with pytest.raises(NotFound):
        await read(pair[0], ref, 2, 2)


async def test_another_tenant_finds_nothing_under_the_same_key(pair: Pair) -> None:
    ref = await put(pair[0])
    stranger = msgspec.structs.replace(ref, tenant="u")
    assert not await is_there(pair[0], stranger)
    await pair[0].delete(stranger)
    assert await is_there(pair[0], ref)


@pytest.mark.parametrize("key", ["", ".", "..", "../u", "a/../../x", "/etc/passwd", "}:x:{", "*", "a\0b", "x" * 300])
async def test_a_key_that_nobody_was_given_leads_nowhere(pair: Pair, key: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"sound")
    await put(pair[0], tenant="u")
    forged = BlobRef("t", 5, key)
    assert not await is_there(pair[0], forged)
    await pair[0].delete(forged)
    assert (tmp_path / "x").read_bytes() == b"sound"


@pytest.mark.parametrize("tenant", ["..", "a/../../x", "", "a:b", "ñ" * 200])
async def test_any_tenant_has_blobs_of_its_own(pair: Pair, tenant: str, tmp_path: Path) -> None:
    ref = await put(pair[0], tenant=tenant)
    assert await read(pair[1], ref) == b"sound"
    assert {one.name for one in tmp_path.iterdir()} <= {"deep"}
    assert not await is_there(pair[0], msgspec.structs.replace(ref, tenant="x"))


async def test_a_tenant_that_is_full_is_refused_and_others_are_not(pair: Pair) -> None:
    await put(pair[0], bytes(5 * 2**20))
    with pytest.raises(Overloaded, match=str(TENANT_BYTES)) as refused:
        await put(pair[1], bytes(5 * 2**20))
    assert refused.value.code == "blobs_full"
    await put(pair[1], bytes(4 * 2**20))
    with pytest.raises(Overloaded):
        await put(pair[0], b"x")
    await put(pair[1], bytes(5 * 2**20), tenant="u")


async def test_what_is_deleted_or_expires_makes_room(pair: Pair) -> None:
    ref = await put(pair[0], bytes(5 * 2**20))
    await put(pair[0], bytes(4 * 2**20), ttl_s=SHORT_S)
    await pair[1].delete(ref)
    await pair[1].delete(ref)
    await put(pair[1], bytes(5 * 2**20))
    with pytest.raises(Overloaded):
        await put(pair[1], bytes(5 * 2**20))
    pair.advance(SHORT_S + 1)
    await put(pair[1], bytes(4 * 2**20))


async def test_those_who_put_at_the_same_time_do_not_exceed_the_limit_together(pair: Pair) -> None:
    asked = [put((pair.one, pair.other)[number % 2], bytes(2**20)) for number in range(30)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    refs = [one for one in done if isinstance(one, BlobRef)]
    assert all(isinstance(one, Overloaded) for one in done if not isinstance(one, BlobRef))
    assert len(refs) <= 9
    for ref in refs:
        await pair[0].delete(ref)
    await put(pair[0], bytes(MOST_BYTES))


async def test_a_put_that_fails_in_the_middle_leaves_nothing(pair: Pair) -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield bytes(5 * 2**20)
        raise InvalidRequest("the client left")

    with pytest.raises(InvalidRequest, match="left"):
        await pair[0].put("t", broken(), ttl_s=LONG_S)
    await put(pair[0], bytes(MOST_BYTES))


async def test_a_reference_survives_the_wire() -> None:
    ref = BlobRef("t", 5, "k" * 21)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ref), type=BlobRef) == ref
    with pytest.raises(AttributeError):
        ref.size = 6
