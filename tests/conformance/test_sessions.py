"""What every `Sessions` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from antiphon.errors import Fenced, NotFound
from antiphon.ports.sessions import NOBODY, Change, Saved, SessionOwner, Taken
from tests.conformance.session_adapters import ADAPTERS, IN_TIME, LIVENESS_S, RESUME_S, STATE, Stage, over


@pytest.fixture(params=list(ADAPTERS))
async def stage(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Stage]:
    async with ADAPTERS[request.param](redis_url) as made:
        yield made


async def test_a_claimed_session_is_new_and_connected(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    assert (record.tenant, record.session_id, record.gateway_id) == ("t", "s", "g1")
    assert record.status == "connected"
    assert record.epoch >= 1
    assert await stage.sessions.find("t", "s") == record


OWNER = SessionOwner("key_a", "key_a", "realtime", "d1937")


async def test_a_session_keeps_its_owner_over_changes_of_gateway_and_losses(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1", OWNER)
    assert first.owner == OWNER
    await stage.sessions.save(first, STATE)
    await stage.sessions.end(first, resumable=True)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.owner == OWNER
    second, _ = await stage.sessions.resume("t", "s", "g2", OWNER)
    assert second.owner == OWNER
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.owner == OWNER


@pytest.mark.parametrize("other", [NOBODY, replace(OWNER, id="key_b"), replace(OWNER, token_digest="d1938")])
async def test_who_names_another_owner_resumes_nothing_and_changes_nothing(stage: Stage, other: SessionOwner) -> None:
    first = await stage.sessions.claim("t", "s", "g1", OWNER)
    await stage.sessions.save(first, STATE)
    with pytest.raises(NotFound) as refused:
        await stage.sessions.resume("t", "s", "g2", other)
    assert refused.value.code == "session_not_found"
    assert await stage.sessions.find("t", "s") == first
    await stage.sessions.save(first, STATE)  # its epoch is still the newest


async def test_what_one_gateway_saves_another_resumes_under_a_higher_epoch(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(first, STATE)
    second, saved = await stage.sessions.resume("t", "s", "g2")
    assert second.epoch > first.epoch
    assert (second.gateway_id, second.status) == ("g2", "connected")
    assert saved == Saved(b"state", 7, b"jobs", {"a": b"1", "b": b"2"}, (b"said",))
    assert await stage.sessions.find("t", "s") == second


async def test_changes_add_up(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    await stage.sessions.save(record, Change(b"newer", 9, b"", {"b": b"3", "c": b"4"}, ("a", "nobody"), b"said more"))
    await stage.sessions.save(record, Change(b"newest", 9))
    _, saved = await stage.sessions.resume("t", "s", "g2")
    assert saved == Saved(b"newest", 9, b"", {"b": b"3", "c": b"4"}, (b"said", b"said more"))


async def test_what_was_said_long_ago_is_forgotten(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    for _ in range(3):
        stage.advance(IN_TIME * LIVENESS_S)
        await stage.sessions.save(record, Change(b"newer", 9, events=b"said since"))
    _, saved = await stage.sessions.resume("t", "s", "g2")
    assert b"said" not in saved.events
    assert saved.events[-1] == b"said since"


async def test_a_session_that_was_never_saved_cannot_be_resumed(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    for session_id in ("s", "nobody"):
        with pytest.raises(NotFound):
            await stage.sessions.resume("t", session_id, "g2")
    assert await stage.sessions.find("t", "s") == record


async def test_its_owner_can_claim_it_again_and_keeps_what_was_saved(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(first, STATE)
    again = await stage.sessions.claim("t", "s", "g1")
    assert again.epoch > first.epoch
    _, saved = await stage.sessions.resume("t", "s", "g2")
    assert saved.snapshot == b"state"


async def test_the_former_owner_hears_that_its_session_was_taken(stage: Stage) -> None:
    heard: list[Taken] = []
    first = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(first, STATE)
    taken = stage.sessions.taken("g1")

    async def listen() -> None:
        heard.append(await anext(taken))

    listener = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        while not heard:  # who has only begun to listen may miss one
            second, _ = await stage.sessions.resume("t", "s", "g1")
            await asyncio.wait((listener,), timeout=0.05)
    assert heard == [Taken("t", "s", second.epoch)]


async def test_the_former_owner_may_neither_save_nor_heartbeat(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(first, STATE)
    second, _ = await stage.sessions.resume("t", "s", "g2")
    with pytest.raises(Fenced):
        await stage.sessions.save(first, Change(b"old", 8, items={"a": b"old"}, events=b"old"))
    with pytest.raises(Fenced):
        await stage.sessions.heartbeat(first)
    assert await stage.sessions.find("t", "s") == second
    _, saved = await stage.sessions.resume("t", "s", "g3")
    assert saved == Saved(b"state", 7, b"jobs", {"a": b"1", "b": b"2"}, (b"said",))


async def test_the_former_owner_cannot_end_the_session(stage: Stage) -> None:
    first = await stage.sessions.claim("t", "s", "g1")
    second = await stage.sessions.claim("t", "s", "g2")
    await stage.sessions.end(first, resumable=False)
    assert await stage.sessions.find("t", "s") == second


async def test_a_session_is_invisible_to_other_tenants(stage: Stage) -> None:
    mine = await stage.sessions.claim("mine", "s", "g1")
    await stage.sessions.save(mine, STATE)
    assert await stage.sessions.find("theirs", "s") is None
    with pytest.raises(NotFound):
        await stage.sessions.resume("theirs", "s", "g1")
    theirs = await stage.sessions.claim("theirs", "s", "g1")
    await stage.sessions.end(theirs, resumable=False)
    assert await stage.sessions.find("mine", "s") == mine


async def test_an_unknown_session_is_not_found(stage: Stage) -> None:
    assert await stage.sessions.find("t", "nobody") is None


async def test_a_session_that_ended_finally_is_forgotten(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    await stage.sessions.end(record, resumable=False)
    assert await stage.sessions.find("t", "s") is None
    with pytest.raises(Fenced):
        await stage.sessions.save(record, STATE)
    with pytest.raises(NotFound):
        await stage.sessions.resume("t", "s", "g1")


async def test_the_owner_of_a_forgotten_session_cannot_write_into_a_new_one(stage: Stage) -> None:
    old = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(old, resumable=False)
    new = await stage.sessions.claim("t", "s", "g2")
    assert new.epoch > old.epoch
    with pytest.raises(Fenced):
        await stage.sessions.save(old, STATE)


async def test_a_resumable_session_stays_for_the_resume_window(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    await stage.sessions.end(record, resumable=True)
    stage.advance(IN_TIME * RESUME_S)
    found = await stage.sessions.find("t", "s")
    assert found is not None
    assert found.status == "disconnected"
    assert not await over(stage)
    stage.advance((1 - IN_TIME) * RESUME_S + 1)
    assert await stage.sessions.find("t", "s") is None
    with pytest.raises(NotFound):
        await stage.sessions.resume("t", "s", "g2")


async def test_a_session_that_nobody_resumed_is_cleaned_up_once(stage: Stage) -> None:
    for name in ("left", "new"):
        record = await stage.sessions.claim("t", name, "g1")
        await stage.sessions.save(record, Change(name.encode(), 1))
    stage.advance(IN_TIME * (LIVENESS_S + RESUME_S))
    await stage.sessions.heartbeat(record)
    stage.advance((1 - IN_TIME) * (LIVENESS_S + RESUME_S) + 1)
    cleared = await over(stage)
    assert [(one.tenant, one.session_id, one.snapshot) for one in cleared] == [("t", "left", b"left")]
    assert not await over(stage)
    assert await stage.sessions.find("t", "new") is not None


async def test_what_a_session_was_does_not_come_back_under_its_name(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    stage.advance(LIVENESS_S + RESUME_S + 1)
    await stage.sessions.claim("t", "s", "g2")
    with pytest.raises(NotFound):
        await stage.sessions.resume("t", "s", "g3")


async def test_a_session_that_is_resumed_in_time_lives_on(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.save(record, STATE)
    await stage.sessions.end(record, resumable=True)
    stage.advance(IN_TIME * RESUME_S)
    resumed, _ = await stage.sessions.resume("t", "s", "g2")
    stage.advance(IN_TIME * LIVENESS_S)
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
    for _ in range(5):
        stage.advance(IN_TIME * LIVENESS_S)
        await stage.sessions.heartbeat(record)
    assert await stage.sessions.find("t", "s") == record


async def test_ending_twice_changes_nothing(stage: Stage) -> None:
    record = await stage.sessions.claim("t", "s", "g1")
    await stage.sessions.end(record, resumable=False)
    await stage.sessions.end(record, resumable=True)
    assert await stage.sessions.find("t", "s") is None
