"""Uses in Redis: a count outlives its end by a grace period, and then goes."""

from __future__ import annotations

import time

from antiphon.connections.redis import RedisConnection
from antiphon.state.redis.uses import RedisUses


async def test_a_count_is_kept_five_minutes_longer_than_it_is_needed(redis_url: str) -> None:
    connection = RedisConnection(redis_url)
    await connection.command("FLUSHDB")
    uses, until = RedisUses(connection), time.time() + 60
    assert await uses.spend("ek_1", "sess_1", 1, until)
    assert await connection.command("KEYS", "*") == [b"antiphon:uses:ek_1"]
    assert await connection.command("PEXPIRETIME", "antiphon:uses:ek_1") == int((until + 300) * 1000)
    await connection.close()


async def test_a_count_whose_time_is_over_starts_anew(redis_url: str) -> None:
    connection = RedisConnection(redis_url)
    await connection.command("FLUSHDB")
    uses, over = RedisUses(connection), time.time() - 301
    assert await uses.spend("ek_1", "sess_1", 1, over)
    assert await uses.spend("ek_1", "sess_2", 1, over)
    await connection.close()
