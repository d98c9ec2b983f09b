"""Sessions that are mirrored: each change is told once it is written, and nothing that was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from antiphon.connections.redis import RedisConnection
from antiphon.errors import Fenced, NotFound
from antiphon.ports.sessions import Change, SessionOwner
from antiphon.state.redis.mirrored import MirroredSessions

OWNER = SessionOwner("key_a", seed="abc")


class Told:
    """A mirror that notes what it is told of the session."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def tell(self, channel: str, tenant: str, session_id: str, message: Mapping[str, object]) -> None:
        assert (channel, tenant, session_id) == ("session", "t", "s")
        self.messages.append(dict(message))

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]


@pytest.fixture
async def connection(redis_url: str) -> AsyncGenerator[RedisConnection]:
    made = RedisConnection(redis_url)
    await made.command("FLUSHDB")
    yield made
    await made.close()


async def test_the_life_of_a_session_is_told_with_its_gateway_and_epoch(connection: RedisConnection) -> None:
    told = Told()
    sessions = MirroredSessions(connection, told)
    first = await sessions.claim("t", "s", "g1", OWNER)
    await sessions.save(first, Change(b"state", 1, items={"a": b"1"}, gone=("b",)))
    second, _ = await sessions.resume("t", "s", "g2", OWNER)
    await sessions.end(second, resumable=True)
    third, _ = await sessions.resume("t", "s", "g3", OWNER)
    await sessions.end(third, resumable=False)
    kinds = ["created", "updated", "connected", "disconnected", "connected", "closed"]
    assert told.types() == [f"session.{kind}" for kind in kinds]
    assert [message["gateway_id"] for message in told.messages] == ["g1", "g1", "g2", "g2", "g3", "g3"]
    assert [message["epoch"] for message in told.messages[::2]] == [first.epoch, second.epoch, third.epoch]
    assert (told.messages[1]["items"], told.messages[1]["gone"]) == (["a"], ["b"])
    assert [message["status"] for message in told.messages] == ["connected"] * 3 + [
        "disconnected",
        "connected",
        "disconnected",
    ]
    assert {message["conversation_id"] for message in told.messages} == {"conv_abc"}
    assert {message["project_id"] for message in told.messages} == {"default"}


async def test_what_is_refused_is_not_told(connection: RedisConnection) -> None:
    told = Told()
    sessions = MirroredSessions(connection, told)
    former = await sessions.claim("t", "s", "g1", OWNER)
    with pytest.raises(NotFound):
        await sessions.resume("t", "s", "g2", OWNER)  # it was never saved
    await sessions.claim("t", "s", "g2", OWNER)
    with pytest.raises(Fenced):
        await sessions.save(former, Change(b"state", 1))
    await sessions.end(former, resumable=False)
    assert told.types() == ["session.created"] * 2


async def test_a_session_that_expires_is_told_closed(connection: RedisConnection) -> None:
    told = Told()
    sessions = MirroredSessions(connection, told, resume_window_s=0.1, liveness_s=0.1)
    await sessions.end(await sessions.claim("t", "s", "g1"), resumable=True)
    async with asyncio.timeout(20):
        while not [one async for one in sessions.expired()]:
            await asyncio.sleep(0.05)
    assert told.messages[-1] == {"type": "session.closed", "status": "expired"}


async def test_a_session_that_is_stopped_is_told_closed_once(connection: RedisConnection) -> None:
    told = Told()
    sessions = MirroredSessions(connection, told)
    await sessions.claim("t", "s", "g1", OWNER)
    assert await sessions.stop("t", "s") is not None
    assert await sessions.stop("t", "s") is None
    assert await sessions.stop("t", "nobody") is None
    assert told.types() == ["session.created", "session.closed"]
    assert told.messages[-1]["status"] == "disconnected"
