"""Pipes in Redis: their keys, and the cases that only their scripts know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.bus.codec import encode_entry, weigh
from antiphon.bus.redis.pipes import RedisPipes, entries_key
from antiphon.bus.redis.wakeups import Wakeups
from antiphon.connections.redis import RedisConnection, Script
from antiphon.errors import ProviderUnavailable
from antiphon.wire.entries import TextReady
from tests.options import pipe_limit
from tests.unit.bus.redis.stage import NOWHERE, emptied

WRITE = Script.load("antiphon.bus.redis", "write")
ENTRY = TextReady("j", "x")


def pipes_over(connection: RedisConnection, *, entries: int = 4) -> RedisPipes:
    return RedisPipes(connection, Wakeups(connection, "inbox", ()), pipe_limit(entries=entries))


async def script_write(connection: RedisConnection, number: int, *, room: int = 4, abandoned_ms: int = 60_000) -> Any:
    """Write one entry as the writer ``w``; ``number`` is that of the write."""
    keys = ("{p}:pipe", "{p}:pipe:state", "{p}:pipe:readers", "{p}:pipe:of:")
    words = (room, 2**20, "w", number, "p", 60_000, "", 0, abandoned_ms, 0, weigh(ENTRY), encode_entry(ENTRY))
    return await connection.run(WRITE, keys, *words)


@pytest.mark.parametrize(
    ("pipe", "key"), [("p", "{p}:pipe"), ("t:t:session:{s}", "t:t:session:{s}:pipe"), ("{a}:b", "{a}:b:pipe")]
)
def test_all_keys_of_a_pipe_lie_in_one_slot(pipe: str, key: str) -> None:
    assert entries_key(pipe) == key


async def test_an_entry_lies_at_its_position_and_every_key_expires(redis_url: str) -> None:
    async with emptied(redis_url) as connection, asyncio.timeout(10):
        pipes = pipes_over(connection)
        await pipes.write("p", [TextReady("j", "a"), TextReady("j", "b")])
        reader = pipes.read("p", 0)
        assert await anext(reader) == (1, TextReady("j", "a"))
        ((_, fields),) = await connection.command("XRANGE", entries_key("p"), "2", "2")
        assert fields[b"entry"] == encode_entry(TextReady("j", "b"))
        keys = await connection.command("KEYS", "*")
        assert len(keys) == 3
        assert all([0 < await connection.command("PTTL", key) <= 900_000 for key in keys])
        await reader.aclose()


async def test_a_write_that_is_repeated_for_want_of_a_reply_is_done_once(redis_url: str) -> None:
    async with emptied(redis_url) as connection:
        for number in (1, 1, 2, 2):
            assert await script_write(connection, number) == [b"done", 1]
        assert await connection.command("XLEN", "{p}:pipe") == 2


async def test_a_full_pipe_is_over_when_no_reader_came_in_place_of_the_last(redis_url: str) -> None:
    async with emptied(redis_url) as connection, asyncio.timeout(10):
        pipes = pipes_over(connection, entries=2)
        await pipes.write("p", [ENTRY, ENTRY])
        assert await script_write(connection, 1, room=2, abandoned_ms=-1) == [b"done", 0], "a first reader may come"
        reader = pipes.read("p", 0, keep=lambda: 0)
        await anext(reader)
        assert await script_write(connection, 2, room=2, abandoned_ms=-1) == [b"done", 0], "its reader is present"
        await reader.aclose()
        assert await script_write(connection, 3, room=2) == [b"done", 0], "it waits for another reader"
        assert await script_write(connection, 4, room=2, abandoned_ms=-1) == [b"over"]


async def test_a_forced_write_needs_no_room_and_passes_writers_that_wait(redis_url: str) -> None:
    async with emptied(redis_url) as connection, asyncio.timeout(10):
        pipes = pipes_over(connection, entries=1)
        await pipes.write("p", [ENTRY])
        waiting = asyncio.ensure_future(pipes.write("p", [ENTRY]))
        while not await connection.command("HEXISTS", "{p}:pipe:state", "waits inbox"):
            await asyncio.sleep(0.01)
        assert await pipes.write("p", [TextReady("j", "failed")], force=True)
        assert await pipes.tail("p") == 2
        assert not waiting.done()
        await pipes.drop("p")
        pipes.close()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_nothing_is_written_through_a_closed_bus() -> None:
    connection = RedisConnection(NOWHERE, timeout_s=0.05)
    pipes = pipes_over(connection)
    pipes.close()
    with pytest.raises(ProviderUnavailable) as closed:
        await pipes.write("p", [ENTRY])
    assert closed.value.code == "bus_closed"
    await connection.close()


async def test_a_reader_without_redis_says_so_and_waits_until_the_bus_closes() -> None:
    connection = RedisConnection(NOWHERE, timeout_s=0.05)
    pipes = pipes_over(connection)
    with capture_logs() as logs:
        reading = asyncio.ensure_future(anext(pipes.read("p", 0), None))
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.01)
            pipes.close()
            assert await reading is None
    assert {entry["event"] for entry in logs} == {"pipe read failed", "pipe reader could not be removed"}
    await connection.close()
