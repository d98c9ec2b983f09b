"""What every `Sessions` promises. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from antiphon.clock import VirtualClock
from antiphon.connections.redis import RedisConnection
from antiphon.errors import Fenced
from antiphon.ports.sessions import Sessions
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.redis.sessions import RedisSessions

RESUME_S = 60.0
LIVENESS_S = 30.0


REDIS_SLOWER = 50
"""Redis lives in real time: what lasts a minute here lasts a second or so there."""


@dataclass
class Stage:
    """The sessions under test, and a way to let time pass for them."""

    sessions: Sessions
    advance: Callable[[float], None]


@asynccontextmanager
async def embedded(_: str) -> AsyncGenerator[Stage]:
    clock = VirtualClock()
    yield Stage(EmbeddedSessions(clock, resume_window_s=RESUME_S, liveness_s=LIVENESS_S), clock.advance)


@asynccontextmanager
async def redis(url: str) -> AsyncGenerator[Stage]:
    connection = RedisConnection(url)
    await connection.command("FLUSHDB")
    sessions = RedisSessions(connection, resume_window_s=RESUME_S / REDIS_SLOWER, liveness_s=LIVENESS_S / REDIS_SLOWER)
    yield Stage(sessions, lambda seconds: time.sleep(seconds / REDIS_SLOWER))
    await connection.close()


ADAPTERS: dict[str, Callable[[str], AbstractAsyncContextManager[Stage]]] = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=list(ADAPTERS))
async def stage(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Stage]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


async def test_a_claimed_session_is_new_and_connected(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    assert (record.tenant, record.session_id, record.gateway_id) == ("t", "s", "g1")
    assert (record.status, record.snapshot, record.position) == ("connected", b"", 0)
    assert record.epoch >= 1
    assert await stage.sessions.find("t", "s") == record


async def test_what_one_gateway_saves_another_finds(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    saved = replace(record, snapshot=b"state", position=7)
    await stage.sessions.save(saved)
    assert await stage.sessions.find("t", "s") == saved


async def test_taking_over_keeps_the_snapshot_under_a_higher_epoch(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(replace(first, snapshot=b"state", position=7))
    second = await stage.sessions.claim("t", "s", "g2")
    assert second.epoch > first.epoch
    assert (second.gateway_id, second.snapshot, second.position) == ("g2", b"state", 7)


async def test_the_former_owner_may_neither_save_nor_heartbeat(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    second = await stage.sessions.claim("t", "s", "g2")
    with pytest.raises(Fenced):
        await stage.sessions.save(replace(first, snapshot=b"old"))
    with pytest.raises(Fenced):
        await stage.sessions.heartbeat(first)
    assert await stage.sessions.find("t", "s") == second


async def test_the_former_owner_cannot_end_the_session(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    second = await stage.sessions.claim("t", "s", "g2")
    await stage.sessions.end(first, resumable=False)
    assert await stage.sessions.find("t", "s") == second


async def test_a_session_is_invisible_to_other_tenants(stage: Stage) -> None:
    mine = await stage.sessions.claim("mine", "s", "g1")
    await stage.sessions.save(replace(mine, snapshot=b"mine"))
    assert await stage.sessions.find("theirs", "s") is None
    theirs = await stage.sessions.claim("theirs", "s", "g1")
    assert theirs.snapshot == b""
    await stage.sessions.end(theirs, resumable=False)
    found = await stage.sessions.find("mine", "s")
    assert found is not None
    assert found.snapshot == b"mine"


async def test_an_unknown_session_is_not_found(stage: Stage) -> None:
    assert await stage.sessions.find("t", "nobody") is None


async def test_a_session_that_ended_for_good_is_forgotten(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(record, resumable=False)
    assert await stage.sessions.find("t", "s") is None
    with pytest.raises(Fenced):
        await stage.sessions.save(record)


async def test_the_owner_of_a_forgotten_session_cannot_write_into_a_new_one(stage: Stage) -> None:
    old = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(old, resumable=False)
    new = await stage.sessions.claim("t", "s", "g2")
    assert new.epoch > old.epoch
    with pytest.raises(Fenced):
        await stage.sessions.save(replace(old, snapshot=b"ghost"))


async def test_a_resumable_session_stays_for_the_resume_window(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(replace(record, snapshot=b"state"))
    await stage.sessions.end(record, resumable=True)
    stage.advance(RESUME_S - 1)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert (found.status, found.snapshot) == ("disconnected", b"state")
    stage.advance(2)
    assert await stage.sessions.find("t", "s") is None


async def test_a_session_that_is_taken_up_in_time_lives_on(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(record, resumable=True)
    stage.advance(RESUME_S - 1)
    resumed = await stage.sessions.claim("t", "s", "g2")
    stage.advance(LIVENESS_S - 1)
    assert await stage.sessions.find("t", "s") == resumed


async def test_a_session_without_a_heartbeat_is_disconnected_then_over(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    stage.advance(LIVENESS_S + 1)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.status == "disconnected"
    stage.advance(RESUME_S)
    assert await stage.sessions.find("t", "s") is None
    with pytest.raises(Fenced):
        await stage.sessions.heartbeat(record)


async def test_heartbeats_keep_a_session_alive(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    for _ in range(10):
        stage.advance(LIVENESS_S - 1)
        await stage.sessions.heartbeat(record)
    assert await stage.sessions.find("t", "s") == record


async def test_ending_twice_changes_nothing(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(record, resumable=False)
    await stage.sessions.end(record, resumable=True)
    assert await stage.sessions.find("t", "s") is None
