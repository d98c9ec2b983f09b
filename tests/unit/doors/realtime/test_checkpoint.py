"""The checkpointer: nothing is noticed before it is saved, and a store that is away holds nobody up for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from antiphon.clock import VirtualClock
from antiphon.conversation import effects
from antiphon.conversation.snapshot import join
from antiphon.doors.realtime.checkpoint import Checkpointer, SessionLease
from antiphon.doors.realtime.sent_events import SentEvent, events_since
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.errors import ProviderUnavailable
from antiphon.ports.sessions import Change, SessionRecord
from antiphon.state.embedded import EmbeddedSessions
from antiphon.wire.realtime_server import TAKEN_OVER, InputAudioBufferCleared
from tests.simulation import World
from tests.virtual_time import on_virtual_time


class Faulty(EmbeddedSessions):
    """Sessions that can be away, or slow."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.is_away = self.cannot_be_asked = False
        self.takes_s = 0.0
        self.changes: list[Change] = []

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        if self.cannot_be_asked:
            raise ProviderUnavailable("away", code="redis_unavailable")
        return await super().find(tenant, session_id)

    async def save(self, record: SessionRecord, change: Change) -> None:
        await asyncio.sleep(self.takes_s)
        if self.is_away:
            raise ProviderUnavailable("away", code="redis_unavailable")
        await super().save(record, change)
        self.changes.append(change)


class Stage:
    """One checkpointer and all that it touches."""

    def __init__(self, group: asyncio.TaskGroup, sessions: Faulty, record: SessionRecord) -> None:
        self.read: list[str] = []
        self.sessions = sessions
        self.lease = SessionLease(sessions, record)
        self.world = World()
        self.hung_up: list[tuple[int, str]] = []
        self.send_queue = SendQueue(group, self, limit_bytes=10_000, stall_s=5.0)
        state = self.world.machine.state
        self.checkpointer = Checkpointer(self.lease, group, self, self.send_queue, state, {})
        self._number = 0

    def write(self, text: bytes) -> bool:
        self.read.append(text.decode())
        return True

    async def send_text(self, text: bytes) -> None:
        self.write(text)

    def abort(self) -> None:
        raise AssertionError("everybody reads here")

    def hang_up(self, code: int, reason: str) -> None:
        self.hung_up.append((code, reason))

    def say(self, *, is_result: bool = False) -> str:
        """A step that the client notices."""
        self._number += 1
        event_id = f"event_seed{self._number:07d}"
        self.checkpointer.step([effects.Send(InputAudioBufferCleared(event_id=event_id))], 1, is_result=is_result)
        self.checkpointer.sent(SentEvent(self._number, event_id.encode()))
        self.send_queue.put(event_id.encode())
        return event_id


@asynccontextmanager
async def staged(clock: VirtualClock) -> AsyncGenerator[Stage]:
    sessions = Faulty(clock)
    record = await sessions.claim("t", "s", "g")
    async with asyncio.TaskGroup() as group:
        stage = Stage(group, sessions, record)
        yield stage
        stage.checkpointer.close()


@on_virtual_time
async def test_what_follows_from_a_step_is_written_when_it_is_saved(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.sessions.takes_s = 0.1
        said = [stage.say(), stage.say()]
        await asyncio.sleep(0.05)
        assert not stage.read
        await asyncio.sleep(0.2)
        assert stage.read == said
        _, saved = await stage.sessions.resume("t", "s", "g2")
        assert [one.frame.decode() for one in events_since(saved.events, 0) or ()] == said
        assert [one.number for one in events_since([*saved.events, *saved.events], 1) or ()] == [2]


@on_virtual_time
async def test_what_a_worker_has_told_is_not_held_back(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.sessions.takes_s = 0.1
        assert stage.read == [stage.say(is_result=True)]
        await asyncio.sleep(0.5)
        assert not stage.sessions.changes, "the pipe has it"


@on_virtual_time
async def test_steps_while_a_save_is_under_way_share_the_next_one(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.sessions.takes_s = 0.1
        for _ in range(20):
            stage.say()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert len(stage.read) == 20
        assert len(stage.sessions.changes) <= 4


@on_virtual_time
async def test_a_store_that_is_away_or_silent_holds_nobody_up_for_long(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.say()
        await asyncio.sleep(0.01)
        stage.sessions.takes_s = 60.0
        begin = clock.now()
        stage.say()
        while len(stage.read) < 2:
            await asyncio.sleep(0.01)
        assert clock.now() - begin < 1.1
        stage.checkpointer.result(7, 100)
        assert stage.checkpointer.needed() == 7, "what cannot be saved does not fill the pipe"
        stage.say()
        assert len(stage.read) == 3, "nothing is held back any more"
        stage.sessions.takes_s = 0.0
        await asyncio.sleep(10)
        stage.say()
        await asyncio.sleep(0.01)
        _, saved = await stage.sessions.resume("t", "s", "g2")
        assert [one.number for one in events_since(saved.events, 0) or ()] == [1, 2, 3, 4], (
            "and nothing of it is missing"
        )


@on_virtual_time
async def test_a_session_that_is_anothers_says_nothing_more(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        said = stage.say()
        await asyncio.sleep(0.01)
        await stage.sessions.resume("t", "s", "g2")
        stage.say()
        await asyncio.sleep(2)
        assert stage.read == [said]
        assert stage.checkpointer.is_lost
        assert [code for code, _ in stage.hung_up] == [TAKEN_OVER]
        await stage.send_queue.flushed()


@on_virtual_time
async def test_a_session_that_ran_out_and_is_ours_again_is_saved_whole(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.say()
        await asyncio.sleep(0.01)
        await stage.sessions.end(stage.lease.record, resumable=False)
        stage.say()
        await asyncio.sleep(0.01)
        assert len(stage.read) == 2
        await stage.sessions.resume("t", "s", "g2")


@on_virtual_time
async def test_a_session_that_was_claimed_anew_is_saved_whole(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.world.say_text()
        stage.say()
        await asyncio.sleep(0.01)
        for number in range(30):
            stage.world.say_text(f"number {number}")
        stage.say()
        await asyncio.sleep(0.01)
        record = stage.lease.record
        await stage.sessions.end(record, resumable=False)  # as if it had run out
        stage.lease.record = await stage.sessions.claim(record.tenant, record.session_id, record.gateway_id)
        stage.say()
        await asyncio.sleep(0.01)
        _, saved = await stage.sessions.resume("t", "s", "g2")
        assert len(join(saved.snapshot, saved.items).records) == 31


@on_virtual_time
async def test_who_has_missed_more_than_could_be_kept_is_told_so(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.sessions.is_away = True
        for number in range(1, 40):
            stage.checkpointer.sent(SentEvent(number, bytes(100_000)))
        stage.say()
        await asyncio.sleep(1)
        stage.sessions.is_away = False
        await asyncio.sleep(10)
        _, saved = await stage.sessions.resume("t", "s", "g2")
        assert events_since(saved.events, 0) is None
        assert events_since(saved.events, 39) == []


@on_virtual_time
async def test_a_session_that_cannot_be_taken_back_holds_nobody_up(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        stage.say()
        await asyncio.sleep(0.01)
        await stage.sessions.end(stage.lease.record, resumable=False)
        stage.sessions.cannot_be_asked = True
        stage.say()
        await asyncio.sleep(1)
        assert len(stage.read) == 2
        stage.sessions.cannot_be_asked = False
        await asyncio.sleep(10)
        await stage.sessions.resume("t", "s", "g2")


@on_virtual_time
async def test_speech_that_may_still_be_on_its_way_stays_in_the_pipe(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        for position in range(1, 101):
            stage.checkpointer.result(position, 8 * 2**10)
        stage.checkpointer.step((), 0, is_result=True)
        await stage.checkpointer.saved(stage.checkpointer.gate)
        assert stage.checkpointer.needed() == 100 - 24, "192 KiB"


@on_virtual_time
async def test_what_has_not_been_saved_stays_in_the_pipe(clock: VirtualClock) -> None:
    async with staged(clock) as stage:
        for position in range(1, 64):
            stage.checkpointer.result(position, 0)
        assert not stage.checkpointer.is_behind
        assert stage.checkpointer.needed() == 0
        stage.checkpointer.result(64, 0)
        assert stage.checkpointer.is_behind
        stage.checkpointer.step((), 0, is_result=True)
        await stage.checkpointer.saved(stage.checkpointer.gate)
        assert stage.checkpointer.needed() == 64
        stage.checkpointer.rewind(3)
        assert stage.checkpointer.needed() == 3


@on_virtual_time
async def test_a_session_that_ends_while_it_is_taken_back_is_let_go(clock: VirtualClock) -> None:
    sessions = Faulty(clock)
    lease = SessionLease(sessions, await sessions.claim("t", "s", "g"))
    await sessions.end(lease.record, resumable=False)  # as if it had run out
    lease.is_over = True
    assert await lease.take_back(lease.record.epoch)
    assert await sessions.find("t", "s") is None


@on_virtual_time
async def test_who_was_refused_under_an_old_epoch_owns_the_session_under_the_new_one(clock: VirtualClock) -> None:
    sessions = Faulty(clock)
    lease = SessionLease(sessions, await sessions.claim("t", "s", "g"))
    assert await lease.take_back(lease.record.epoch - 1)
    assert not await lease.take_back(lease.record.epoch), "it is alive, and so another's"
