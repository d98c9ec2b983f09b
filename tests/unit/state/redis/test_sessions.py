"""Sessions in a Redis into which somebody else writes as well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from antiphon.connections.redis import Argument, RedisConnection, Script
from antiphon.ports.sessions import Change, EndedSession, SessionOwner, Taken
from antiphon.state.redis.sessions import RedisSessions
from tests.valkey import valkey

FOREIGN = (b"", b"one", b"t s", b"t s x", b"t s 1 more", b"t s 1\n", b"t s -1", b"t s " + b"9" * 5_000, b"\xff \xfe 1x")


async def test_messages_that_are_no_taken_session_are_passed_over() -> None:
    with valkey() as server, capture_logs() as logs:
        connection = RedisConnection(server.url)
        taken = RedisSessions(connection).taken("g1")
        heard = asyncio.ensure_future(anext(taken))
        async with asyncio.timeout(10):
            while not await connection.command("PUBLISH", "antiphon:taken:session:g1", b"foreign"):
                await asyncio.sleep(0.01)  # until it listens
            for message in (*FOREIGN, b"t s 7"):
                await connection.command("PUBLISH", "antiphon:taken:session:g1", message)
            assert await heard == Taken("t", "s", 7)
        await taken.aclose()
        await connection.close()
    assert [log["event"] for log in logs].count("malformed message of a taken session skipped") == len(FOREIGN) + 1


async def test_a_saved_change_is_published_and_the_hash_says_whose_session_it_is() -> None:
    with valkey() as server:
        connection, listener = RedisConnection(server.url), RedisConnection(server.url)
        heard = listener.listen(["t:t:session:{s}"])
        assert await anext(heard) is None
        sessions = RedisSessions(connection)
        record = await sessions.claim("t", "s", "g1", SessionOwner("key_a", seed="abc"))
        await sessions.save(record, Change(b"state", 1))
        await sessions.heartbeat(record)
        await sessions.end(record, resumable=True)
        types = [json.loads((await anext(heard) or ("", "{}"))[1])["type"] for _ in range(3)]
        assert types == ["session.connected", "session.updated", "session.disconnected"]
        names = ("id", "tenant_id", "project_id", "conversation_id", "status")
        kept = await connection.command("HMGET", "t:t:session:{s}", *names)
        assert kept == [b"s", b"t", b"default", b"conv_abc", b"disconnected"]
        await heard.aclose()
        await listener.close()
        await connection.close()


async def test_members_that_are_no_sessions_are_removed_and_the_others_expire() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url)
        sessions = RedisSessions(connection, resume_window_s=0.1, liveness_s=0.1)
        record = await sessions.claim("t", "s", "g1")
        await sessions.end(record, resumable=True)
        for member in (b"", b"one", b"\xff", b"t s u"):
            await connection.command("ZADD", "antiphon:sessions", 1, member)
        found: list[EndedSession] = []
        async with asyncio.timeout(10):
            while not found:
                found += [one async for one in sessions.expired()]
                await asyncio.sleep(0.05)
        assert [(one.tenant, one.session_id) for one in found] == [("t", "s")]
        assert await connection.command("ZRANGE", "antiphon:sessions", 0, -1) == []
        await connection.close()


class Repeating(RedisConnection):
    """A connection that loses the first reply to every script, and sends it again."""

    async def run(self, script: Script, keys: Sequence[str], *arguments: Argument) -> Any:
        await super().run(script, keys, *arguments)
        return await super().run(script, keys, *arguments)


async def test_a_session_whose_end_is_sent_twice_is_ended_once_and_its_state_is_told() -> None:
    with valkey() as server:
        connection, repeating = RedisConnection(server.url), Repeating(server.url)
        record = await RedisSessions(connection).claim("t", "s", "g1")
        await RedisSessions(connection).save(record, Change(b"state", 1))
        ended = await RedisSessions(repeating).stop("t", "s")
        assert ended is not None
        assert ended.snapshot == b"state"
        found = await RedisSessions(connection).find("t", "s")
        assert found is not None
        assert (found.status, found.epoch) == ("ended", ended.epoch)
        assert await RedisSessions(repeating).stop("t", "s") is None
        await repeating.close()
        await connection.close()


async def test_a_stopped_session_that_redis_has_not_dropped_yet_is_no_expired_one() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url)
        sessions = RedisSessions(connection, resume_window_s=0.01, liveness_s=0.01)
        await sessions.claim("t", "s", "g1")
        assert await sessions.stop("t", "s") is not None
        await connection.command("HSET", "t:t:session:{s}", "until", 1)
        async with asyncio.timeout(10):
            while await connection.command("ZCARD", "antiphon:sessions"):
                assert [one async for one in sessions.expired()] == []
                await asyncio.sleep(0.01)
        assert not await connection.command("EXISTS", "t:t:session:{s}")
        await connection.close()
