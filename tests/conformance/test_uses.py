"""What every `Uses` promises. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from antiphon.connections.redis import RedisConnection
from antiphon.ports.uses import Uses
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.state.redis.uses import RedisUses

Pair = tuple[Uses, Uses]
"""What two processes have; in memory there is but one."""


@asynccontextmanager
async def embedded(_: str) -> AsyncGenerator[Pair]:
    uses = EmbeddedUses()
    yield uses, uses


@asynccontextmanager
async def redis(url: str) -> AsyncGenerator[Pair]:
    one, other = RedisConnection(url), RedisConnection(url)
    await one.command("FLUSHDB")
    yield RedisUses(one), RedisUses(other)
    await one.close()
    await other.close()


ADAPTERS: dict[str, Callable[[str], AbstractAsyncContextManager[Pair]]] = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=list(ADAPTERS))
async def pair(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Pair]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


def later() -> float:
    return time.time() + 60


async def test_of_many_who_ask_at_the_same_time_so_many_win_as_there_are_uses(pair: Pair) -> None:
    asked = [pair[number % 2].spend("ek_1", f"sess_{number}", 3, later()) for number in range(40)]
    assert sum(await asyncio.gather(*asked)) == 3


async def test_the_same_use_counts_once(pair: Pair) -> None:
    assert await pair[0].spend("ek_1", "sess_1", 1, later())
    assert await pair[1].spend("ek_1", "sess_1", 1, later())
    assert not await pair[1].spend("ek_1", "sess_2", 1, later())


async def test_names_do_not_share(pair: Pair) -> None:
    assert await pair[0].spend("ek_1", "sess_1", 1, later())
    assert await pair[1].spend("ek_2", "sess_2", 1, later())
