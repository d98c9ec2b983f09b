"""What every `Sessions` promises of sessions that are looked at or ended from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.doors.realtime.checkpoint import SessionLease
from antiphon.errors import Fenced, NotFound
from antiphon.ports.sessions import NOBODY, Change, SavedContent, SessionOwner, SessionRecord, Taken
from antiphon.state.embedded import EmbeddedSessions
from tests.conformance.session_adapters import ADAPTERS, IN_TIME, LIVENESS_S, RESUME_S, STATE, Stage, over

OWNER = SessionOwner("key_a", "key_a", "realtime", "d1937", "seed")
LONG_S = 24 * 3600.0
"""Longer than an ended session stays known."""


@pytest.fixture(params=list(ADAPTERS))
async def stage(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Stage]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


async def begun(stage: Stage) -> SessionRecord:
    """Begin a session and save it."""
    record = await stage.sessions.claim("t", "s", "g1", OWNER)
    await stage.sessions.save(record, STATE)
    return record


# -- peek --------------------------------------------------------------------------------------------------------------
async def test_what_is_saved_of_a_session_can_be_looked_at_and_a_look_changes_nothing(stage: Stage) -> None:
    record = await begun(stage)
    for _ in range(2):
        assert await stage.sessions.peek("t", "s") == SavedContent(b"state", {"a": b"1", "b": b"2"})
    assert await stage.sessions.find("t", "s") == record
    await stage.sessions.save(record, Change(b"newer", 8, items={"c": b"3"}, gone=("a",)))
    assert await stage.sessions.peek("t", "s") == SavedContent(b"newer", {"b": b"2", "c": b"3"})
    _, saved = await stage.sessions.resume("t", "s", "g2", OWNER)
    assert (saved.jobs, saved.position, saved.events) == (b"", 8, (b"said",))


async def test_a_look_keeps_no_session_alive(stage: Stage) -> None:
    await begun(stage)
    stage.advance(IN_TIME * LIVENESS_S)
    assert await stage.sessions.peek("t", "s") is not None
    stage.advance((1 - IN_TIME) * LIVENESS_S + 1)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.status == "disconnected"
    assert await stage.sessions.peek("t", "s") is not None, "it may be resumed"
    stage.advance(RESUME_S)
    assert await stage.sessions.peek("t", "s") is None


async def test_without_a_saved_state_there_is_nothing_to_look_at(stage: Stage) -> None:
    assert await stage.sessions.peek("t", "s") is None
    record = await stage.sessions.claim("t", "s", "g1")
    assert await stage.sessions.peek("t", "s") is None
    await stage.sessions.save(record, STATE)
    assert await stage.sessions.peek("theirs", "s") is None
    await stage.sessions.end(record, resumable=False)
    assert await stage.sessions.peek("t", "s") is None


# -- stop --------------------------------------------------------------------------------------------------------------
async def test_an_unknown_session_cannot_be_stopped(stage: Stage) -> None:
    record = await begun(stage)
    assert await stage.sessions.stop("t", "nobody") is None
    assert await stage.sessions.stop("theirs", "s") is None
    await stage.sessions.heartbeat(record)
    assert await stage.sessions.find("t", "s") == record
    await stage.sessions.end(record, resumable=False)
    assert await stage.sessions.stop("t", "s") is None
    assert await stage.sessions.find("t", "s") is None


async def test_a_stopped_session_tells_its_last_state_and_a_new_epoch_once(stage: Stage) -> None:
    record = await begun(stage)
    ended = await stage.sessions.stop("t", "s")
    assert ended is not None
    assert (ended.tenant, ended.session_id, ended.snapshot) == ("t", "s", b"state")
    assert ended.epoch > record.epoch
    assert await stage.sessions.stop("t", "s") is None
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert (found.status, found.epoch) == ("ended", ended.epoch)
    assert await stage.sessions.peek("t", "s") is None


async def test_a_session_that_was_never_saved_can_be_stopped(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1", OWNER)
    ended = await stage.sessions.stop("t", "s")
    assert ended is not None
    assert ended.snapshot == b""
    with pytest.raises(Fenced):
        await stage.sessions.save(record, STATE)
    assert await stage.sessions.peek("t", "s") is None


async def test_the_owner_of_a_stopped_session_can_neither_save_nor_continue(stage: Stage) -> None:
    record = await begun(stage)
    await stage.sessions.stop("t", "s")
    with pytest.raises(Fenced):
        await stage.sessions.save(record, STATE)
    with pytest.raises(Fenced):
        await stage.sessions.heartbeat(record)
    lease = SessionLease(stage.sessions, record)
    assert not await lease.take_back(record.epoch)
    await lease.end(resumable=True)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.status == "ended"


@pytest.mark.parametrize("owner", [OWNER, NOBODY, SessionOwner("key_b", "key_b", "realtime")])
async def test_nobody_resumes_a_stopped_session(stage: Stage, owner: SessionOwner) -> None:
    await begun(stage)
    await stage.sessions.stop("t", "s")
    with pytest.raises(NotFound) as refused:
        await stage.sessions.resume("t", "s", "g2", owner)
    assert refused.value.code == "session_not_found"


async def test_the_gateway_of_a_stopped_session_is_notified(stage: Stage) -> None:
    heard: list[Taken] = []
    taken = stage.sessions.taken("g1")

    async def listen() -> None:
        heard.append(await anext(taken))

    listener = asyncio.create_task(listen())
    number, expected = 0, dict[str, int]()
    async with asyncio.timeout(20):
        while not heard:  # who has only begun to listen may miss one
            name, number = f"s{number}", number + 1
            await stage.sessions.claim("t", name, "g1")
            ended = await stage.sessions.stop("t", name)
            assert ended is not None
            expected[name] = ended.epoch
            await asyncio.wait((listener,), timeout=0.05)
    assert heard == [Taken("t", heard[0].session_id, expected[heard[0].session_id])]


async def test_a_lost_session_can_be_stopped(stage: Stage) -> None:
    record = await begun(stage)
    await stage.sessions.end(record, resumable=True)
    ended = await stage.sessions.stop("t", "s")
    assert ended is not None
    assert (ended.snapshot, ended.epoch > record.epoch) == (b"state", True)
    with pytest.raises(NotFound):
        await stage.sessions.resume("t", "s", "g2", OWNER)


async def test_a_stopped_session_is_known_for_longer_than_a_heartbeat_may_take_and_then_forgotten(
    stage: Stage,
) -> None:
    record = await begun(stage)
    ended = await stage.sessions.stop("t", "s")
    assert ended is not None
    stage.advance(LIVENESS_S + 1)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.status == "ended"
    assert not await over(stage)
    stage.advance(LONG_S)
    assert await stage.sessions.find("t", "s") is None
    assert not await over(stage), "its end is told by stop alone"
    with pytest.raises(Fenced):
        await stage.sessions.heartbeat(record)
    again = await stage.sessions.claim("t", "s", "g1", OWNER)
    assert again.epoch > ended.epoch


async def test_a_look_without_items_has_the_snapshot_alone(stage: Stage) -> None:
    await begun(stage)
    assert await stage.sessions.peek("t", "s", with_items=False) == SavedContent(b"state", {})


async def test_only_sessions_that_nobody_else_can_resume_end_with_their_process(stage: Stage) -> None:
    record = await begun(stage)
    await stage.sessions.end(record, resumable=True)
    await stage.sessions.claim("t", "over", "g1")
    await stage.sessions.stop("t", "over")
    left = [(one.tenant, one.session_id, one.epoch) async for one in stage.sessions.leave()]
    if isinstance(stage.sessions, EmbeddedSessions):
        assert left == [("t", "s", record.epoch)]
        assert await stage.sessions.find("t", "s") is None
    else:
        assert left == []
        assert await stage.sessions.resume("t", "s", "g2", OWNER)
