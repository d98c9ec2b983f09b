"""What Redis' memory is judged to be: unsafe, nearly full, or unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from antiphon.connections.redis import RedisConnection
from antiphon.connections.redis_memory import MemoryWatch, RedisMemory, ask, flaws, read, used_share
from tests.valkey import Valkey, valkey

FULL = {"used_memory": 95, "maxmemory": 100, "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(("masters", "words"), [
    ([RedisMemory(1, 2**31, "noeviction")], []),
    ([RedisMemory(1, 0, "noeviction")], ["maxmemory is not set"]),
    ([RedisMemory(1, 2**31, "volatile-lru")], ["maxmemory-policy is volatile-lru"]),
    ([RedisMemory(1, 0, "allkeys-lfu")], ["maxmemory is not set", "maxmemory-policy is allkeys-lfu"]),
    ([RedisMemory(1, 2**31, "noeviction"), RedisMemory(1, 2**31, "allkeys-lru")], ["maxmemory-policy is allkeys-lru"]),
    ([], []),
])  # fmt: skip
def test_what_is_unsafe_is_told_with_what_mends_it(masters: list[RedisMemory], words: list[str]) -> None:
    found = flaws(masters)
    assert len(found) == len(words)
    for flaw, word in zip(found, words, strict=True):
        assert flaw.says.startswith(word)
        assert flaw.mend.startswith("set maxmemory")


def test_what_tells_nothing_is_passed_over_and_the_fullest_counts() -> None:
    assert read([{}, {"used_memory": 5}, {"used_memory": 1, "maxmemory": 0}]) == []
    masters = read([FULL, {**FULL, "used_memory": 10}, {**FULL, "maxmemory": 0}])
    assert (len(masters), used_share(masters), used_share([])) == (3, 0.95, 0.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as made:
        yield made


@pytest.fixture
async def admin(server: Valkey) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(server.url)
    yield connection
    await connection.close()


async def limit(admin: RedisConnection, share: float) -> None:
    """Set maxmemory so that this share of it is in use."""
    (memory,) = await ask(admin)
    await admin.command("CONFIG", "SET", "maxmemory", int(memory.used_bytes / share))


async def test_there_is_no_room_from_nine_tenths_on_until_there_is_clearly_some_again(admin: RedisConnection) -> None:
    shares: list[float] = []
    watch = MemoryWatch(admin, shares.append)
    seen: list[bool] = []
    for share in (0.5, 0.8, 0.95, 0.87, 0.8):
        await limit(admin, share)
        await watch.look()
        seen.append(watch.has_room)
    assert seen == [True, True, False, False, True]
    assert shares == pytest.approx([0.5, 0.8, 0.95, 0.87, 0.8], abs=0.04)


async def test_the_start_warns_of_what_is_unsafe(admin: RedisConnection) -> None:
    await admin.command("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "volatile-lru")
    with capture_logs() as logs:
        await MemoryWatch(admin).start()
    assert [log["log_level"] for log in logs] == ["warning", "warning"]
    assert [log["flaw"].partition(":")[0] for log in logs] == [
        "maxmemory is not set",
        "maxmemory-policy is volatile-lru",
    ]


async def test_of_a_server_that_tells_nothing_nothing_is_said(server: Valkey, admin: RedisConnection) -> None:
    await admin.command("ACL", "SETUSER", "blind", "reset", "on", ">PASSWORD", "~*", "+@all", "-info", "-config")
    connection = RedisConnection(server.url.replace("redis://", "redis://blind:PASSWORD@"))
    with capture_logs() as logs:
        watch = MemoryWatch(connection)
        await watch.start()
    assert (await ask(connection), watch.has_room, logs) == ([], True, [])
    assert connection.reachable_since is not None
    await connection.close()
