"""Leases on streams in a fleet: claims, heartbeats, what is saved, and how a stream is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from antiphon.clock import Clock, VirtualClock
from antiphon.doors.dubbing.ownership import Key, StreamLease, StreamOwnership, opaque_name
from antiphon.errors import Fenced, Overloaded, ProviderUnavailable
from antiphon.ports.limiter import Account
from antiphon.ports.sessions import Change, SessionRecord
from antiphon.state.embedded import EmbeddedSessions
from tests.virtual_time import on_virtual_time

KEY: Key = (Account("default", "key"), "match")
HEARTBEAT_S = 5.0


class Gateway:
    """One gateway of a fleet, and the streams that it has lost."""

    def __init__(self, sessions: EmbeddedSessions, name: str = "here", *, has_room: bool = True) -> None:
        self.ownership = StreamOwnership(sessions, name, heartbeat_s=HEARTBEAT_S, sweep_s=60, has_room=lambda: has_room)
        self.lost: list[Key] = []

    async def claim(self, key: Key = KEY) -> StreamLease:
        lease = await self.ownership.claim(key, lambda one: self.lost.append(one.key))
        assert lease is not None
        return lease

    @contextlib.asynccontextmanager
    async def running(self, *leases: StreamLease) -> AsyncIterator[None]:
        """Keep leases alive."""
        task = asyncio.create_task(self.ownership.run(lambda: leases))
        try:
            await settled()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Unreliable(EmbeddedSessions):
    """Sessions that can be unavailable, and that count what they save."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.is_away = False
        self.saves = 0

    async def save(self, record: SessionRecord, change: Change) -> None:
        self.saves += 1
        self._check()
        await asyncio.sleep(0)
        await super().save(record, change)

    async def heartbeat(self, record: SessionRecord) -> None:
        self._check()
        await super().heartbeat(record)

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        self._check()
        await super().end(record, resumable=resumable)

    def _check(self) -> None:
        if self.is_away:
            raise ProviderUnavailable("Redis is away")


async def settled() -> None:
    """Let every task run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_without_shared_sessions_there_are_no_leases() -> None:
    ownership = StreamOwnership(None, "here", heartbeat_s=1, sweep_s=1)
    assert await ownership.claim(KEY, lambda _: None) is None
    await asyncio.wait_for(ownership.run(list), 10)


async def test_a_new_stream_has_no_number_to_continue_at() -> None:
    assert (await Gateway(EmbeddedSessions()).claim()).resumed_at is None


async def test_another_gateway_continues_at_the_number_that_was_saved_last() -> None:
    sessions = EmbeddedSessions()
    lease = await Gateway(sessions).claim()
    for number in range(8):
        lease.note(number)
    await settled()
    assert (await Gateway(sessions, "there").claim()).resumed_at == 7


async def test_numbers_that_come_while_one_is_saved_are_saved_at_once() -> None:
    sessions = Unreliable()
    lease = await Gateway(sessions).claim()
    before = sessions.saves
    for number in range(1, 101):
        lease.note(number)
    await settled()
    assert sessions.saves - before == 1
    lease.note(100)
    await settled()
    assert sessions.saves - before == 1, "it is known already"


async def test_streams_of_other_keys_and_other_names_are_not_resumed() -> None:
    sessions = EmbeddedSessions()
    await Gateway(sessions).claim()
    for key in ((Account("default", "other"), "match"), (Account("default", "key"), "another")):
        assert (await Gateway(sessions, "there").claim(key)).resumed_at is None


async def test_a_new_stream_needs_room_and_a_resumed_one_does_not() -> None:
    sessions = EmbeddedSessions()
    full = Gateway(sessions, "full", has_room=False)
    with pytest.raises(Overloaded):
        await full.claim()
    assert len(sessions) == 0
    await Gateway(sessions).claim()
    assert (await full.claim()).resumed_at == 0


@on_virtual_time
async def test_a_stream_that_another_gateway_resumes_is_lost_once(clock: VirtualClock) -> None:
    sessions = EmbeddedSessions(clock)
    here, there = Gateway(sessions), Gateway(sessions, "there")
    lease = await here.claim()
    async with here.running(lease):
        await there.claim()
        await settled()
        assert here.lost == [KEY]
        await asyncio.sleep(3 * HEARTBEAT_S)
    lease.note(5)
    await settled()
    assert here.lost == [KEY]
    assert there.lost == []


@on_virtual_time
async def test_a_loss_that_was_not_announced_is_found_by_the_next_heartbeat(clock: VirtualClock) -> None:
    sessions = EmbeddedSessions(clock)
    here = Gateway(sessions)
    lease = await here.claim()
    await Gateway(sessions, "there").claim()
    await lease.heartbeat()
    assert here.lost == [KEY]


async def test_a_loss_is_found_when_a_number_is_saved() -> None:
    sessions = EmbeddedSessions()
    here = Gateway(sessions)
    lease = await here.claim()
    await Gateway(sessions, "there").claim()
    lease.note(3)
    await settled()
    assert here.lost == [KEY]


@on_virtual_time
async def test_heartbeats_keep_a_quiet_stream_for_as_long_as_it_lasts(clock: VirtualClock) -> None:
    sessions = EmbeddedSessions(clock, liveness_s=10, resume_window_s=10)
    here = Gateway(sessions)
    lease = await here.claim()
    async with here.running(lease):
        await asyncio.sleep(600)
    record = await sessions.find("default", opaque_name(KEY))
    assert record is not None
    assert record.status == "connected"
    assert here.lost == []


@on_virtual_time
async def test_a_stream_that_the_store_has_lost_is_claimed_again_with_its_number(clock: VirtualClock) -> None:
    sessions = EmbeddedSessions(clock, liveness_s=1, resume_window_s=1)
    here = Gateway(sessions)
    lease = await here.claim()
    lease.note(4)
    await settled()
    await asyncio.sleep(3)
    assert await sessions.find("default", opaque_name(KEY)) is None
    await lease.heartbeat()
    assert here.lost == []
    assert (await Gateway(sessions, "there").claim()).resumed_at == 4


async def test_a_store_that_is_away_costs_lines_in_the_log_and_no_stream() -> None:
    sessions = Unreliable()
    here = Gateway(sessions)
    lease = await here.claim()
    sessions.is_away = True
    with capture_logs() as lines:
        await lease.heartbeat()
        lease.note(1)
        await settled()
        await lease.release(resumable=True)
    assert [line["event"] for line in lines] == [
        "stream heartbeat failed",
        "stream save failed",
        "stream release failed",
    ]
    assert here.lost == []


async def test_a_claim_fails_while_the_store_is_away() -> None:
    sessions = Unreliable()
    sessions.is_away = True
    with pytest.raises(ProviderUnavailable):
        await Gateway(sessions).claim()


@pytest.mark.parametrize(("resumable", "resumed_at"), [(True, 2), (False, None)])
async def test_a_released_stream_is_resumed_only_if_it_may_be(resumable: bool, resumed_at: int | None) -> None:
    sessions = EmbeddedSessions()
    here = Gateway(sessions)
    lease = await here.claim()
    lease.note(2)
    await lease.release(resumable=resumable)
    assert (await Gateway(sessions, "there").claim()).resumed_at == resumed_at
    lease.note(9)
    await settled()
    assert here.lost == [], "a released stream cannot be lost"


@on_virtual_time
async def test_expired_streams_are_removed_with_a_line_in_the_log(clock: VirtualClock) -> None:
    sessions = EmbeddedSessions(clock, liveness_s=5, resume_window_s=5)
    here = Gateway(sessions)
    await here.claim()
    with capture_logs() as lines:
        async with here.running():
            await asyncio.sleep(61)
    assert len(sessions) == 0
    assert [(line["event"], line["tenant_id"]) for line in lines] == [("stream expired", "default")]


async def test_a_lease_of_another_session_or_an_older_epoch_changes_nothing() -> None:
    sessions = EmbeddedSessions()
    here = Gateway(sessions)
    lease = await here.claim()
    taken = sessions.taken("here")
    await Gateway(sessions).claim((KEY[0], "another"))
    coming = asyncio.ensure_future(anext(taken))
    await asyncio.sleep(0)
    await Gateway(sessions, "there").claim((KEY[0], "another"))
    lease.check(await coming)
    assert here.lost == []
    with pytest.raises(Fenced):
        await StreamLease(KEY, sessions, SessionRecord("gone", "default", 1, "here", "connected"), None, print).save()


def test_an_opaque_name_depends_on_key_and_stream_and_reveals_neither() -> None:
    names = {
        opaque_name((Account("default", key), stream))
        for key in ("a", "b")
        for stream in ("match", "ma\ud800", "", "x" * 512)
    }
    assert len(names) == 8
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in names)
    assert opaque_name((Account("default", "a"), "b\0c")) != opaque_name((Account("default", "a\0b"), "d"))
