"""Saves a conversation, so that another door can take it up, and holds back what must not be noticed before."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from antiphon.conversation.checkpoint import CheckpointDelta
from antiphon.conversation.effects import Effect, PersistItem
from antiphon.conversation.resume import held_refs, is_noticeable
from antiphon.conversation.state import State
from antiphon.doors.realtime.sent_events import SentEvent, pack_events, position_of
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.doors.websocket.send_queue import SendQueue
from antiphon.errors import Fenced, ProviderUnavailable
from antiphon.ports.sessions import Change, Saved, SessionRecord, Sessions
from antiphon.resilience.backoff import Backoff
from antiphon.wire.jobs import Job
from antiphon.wire.realtime_server import TAKEN_OVER

_TIMEOUT_S = 1.0
"""So long a client waits for its state to be saved. Then the session goes on without: better heard than safe."""
_AGAIN_S = 0.25
_BACKOFF = Backoff(base_s=0.5, cap_s=5.0)
"""Between two tries while saving fails."""
_MOST_ENTRIES = 64
_MOST_BYTES = 64 * 2**10
"""After so many results since the last save it is time for the next one: they fill the pipe until then."""
_KEPT_BYTES = 192 * 2**10
"""So much of the newest speech stays in the pipe though it was sent: it may lie in queues of ours and of the network
when the connection is lost. Twice what the send queue holds."""
_MOST_SAID_BYTES = LARGE_BYTES
"""So much of what was said may wait to be saved: it is packed in the event loop. Who has missed more has missed it."""
_SAID_BYTES = 256
"""What one event weighs beside its frame."""

_log = structlog.get_logger(__name__)
_encoder = msgspec.msgpack.Encoder()


_jobs_decoder = msgspec.msgpack.Decoder(list[Job])


def jobs_of(data: bytes) -> list[Job]:
    """Return the jobs that were saved."""
    return _jobs_decoder.decode(data) if data else []


@dataclass(slots=True)
class SessionLease:
    """A session that is ours; the record changes when it had to be claimed anew."""

    sessions: Sessions
    record: SessionRecord
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who takes it back."""
    is_over: bool = False
    """True as soon as its connection has ended."""

    async def take_back(self, epoch: int) -> bool:
        """Claim anew a session that ran out while Redis was away; False when it is another's.

        ``epoch`` is the one that was refused; the session may be ours under a newer one. Raises `ProviderUnavailable`.
        """
        async with self.line:
            record = self.record
            if record.epoch != epoch:  # it was taken back meanwhile
                return True
            if await self.sessions.find(record.tenant, record.session_id) is not None:
                return False
            self.record = await self.sessions.claim(record.tenant, record.session_id, record.gateway_id, record.owner)
            if self.is_over:  # it has ended meanwhile
                await self.end(resumable=False)
        return True

    async def end(self, *, resumable: bool) -> None:
        """Own the session no longer; ``resumable`` leaves it to whoever resumes it."""
        try:
            await self.sessions.end(self.record, resumable=resumable)
        except ProviderUnavailable as error:  # it runs out by itself
            _log.warning("a session could not be ended", session_id=self.record.session_id, error=str(error))


class Checkpointer:
    """Saves one conversation, one write at a time; what happens meanwhile goes into the next one.

    While saving fails nothing is held back.
    """

    def __init__(
        self,
        owned: SessionLease,
        group: asyncio.TaskGroup,
        connection: Connection,
        send_queue: SendQueue,
        state: State,
        pending: Mapping[str, Job],
        saved: Saved | None = None,
    ) -> None:
        """``pending`` are the jobs that are perhaps not submitted yet; ``saved`` is what a session was resumed from."""
        self._owned = owned
        self._group = group
        self._connection = connection
        self._state = state
        self._pending = pending
        self._send_queue = send_queue
        self._delta = CheckpointDelta(saved.items if saved is not None else ())
        self._epoch = owned.record.epoch
        """Under which it was saved before: a session that was claimed anew has nothing of it any more."""
        self._said: list[SentEvent] = []
        self._said_bytes = 0
        self._asked = self._done = 0
        self._task: asyncio.Task[None] | None = None
        self._progress: asyncio.Event | None = None
        self._failures = 0
        self.is_lost = False
        """True when the session is another's."""
        self.position = saved.position if saved is not None else 0
        """Of the last result that was worked in."""
        self._needed = self.position
        """Position behind which somebody who takes the session up needs everything."""
        self._newest: deque[tuple[int, int]] = deque()
        """Positions and sizes of the speech that may not have reached the client."""
        self._newest_bytes = 0
        self._entries = self._bytes = 0
        self._is_closed = False
        self.begun = saved is not None
        """True as soon as there is something that is worth to be taken up."""

    # -- what happens ------------------------------------------------------------------------------------------------
    def step(self, effects: Sequence[Effect], given_out: int, *, is_result: bool) -> None:
        """A step was made and is about to be carried out."""
        self._delta.note(effects)
        if is_result:
            if self.is_behind or any(isinstance(effect, PersistItem) for effect in effects):
                self._ask()
        elif is_noticeable(effects, given_out):
            number = self._ask()
            if not self._failures:
                self._send_queue.shut(number)

    def result(self, position: int, size_bytes: int) -> None:
        """A result was worked in."""
        self.position = position
        self._entries += 1
        self._bytes += size_bytes
        if size_bytes:
            self._newest.append((position, size_bytes))
            self._newest_bytes += size_bytes
        while self._newest_bytes > _KEPT_BYTES:
            self._newest_bytes -= self._newest.popleft()[1]

    def said(self, said: SentEvent) -> None:
        """Note what is sent to the client."""
        self._said.append(said)
        self._said_bytes += _SAID_BYTES + len(said.frame)
        if self._said_bytes > _MOST_SAID_BYTES:
            self._said, self._said_bytes = [SentEvent(said.number)], 0

    @property
    def is_behind(self) -> bool:
        """True when so much has come since the last save that what follows should wait for the next one."""
        return self._entries >= _MOST_ENTRIES or self._bytes >= _MOST_BYTES

    # -- what waits for it -------------------------------------------------------------------------------------------
    @property
    def gate(self) -> int:
        """Number of the last save that was asked for."""
        return self._asked

    async def saved(self, number: int) -> None:
        """Return when save ``number`` is done; never when the session is another's."""
        while self._done < number or self.is_lost:
            self._progress = self._progress or asyncio.Event()
            await self._progress.wait()

    def needed(self) -> int:
        """Return the position up to which the session's pipe is no longer needed."""
        if self._failures:
            return self.position
        return min(self._needed, self._newest[0][0] - 1) if self._newest else self._needed

    def rewind(self, position: int) -> None:
        """The pipe has lost what was worked in: go on from here."""
        self.position = self._needed = position
        self._newest.clear()
        self._newest_bytes = 0

    def close(self) -> None:
        """Save no more, and hold nothing back."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._pass(self._asked)

    # -- saving ------------------------------------------------------------------------------------------------------
    def _ask(self) -> int:
        self._asked += 1
        self.begun = self.begun or self._asked > 1
        if self._task is None and not self.is_lost and not self._is_closed:
            self._task = self._group.create_task(self._save_all(), name="realtime checkpointer")
        return self._asked

    async def _save_all(self) -> None:
        try:
            while self._done < self._asked:
                number = self._asked
                try:
                    await self._save_as_owner()
                    self._failures = 0
                except (ProviderUnavailable, TimeoutError) as error:
                    self._failures += 1
                    if self._failures == 1:
                        name = self._owned.record.session_id
                        _log.warning("a session cannot be saved", session_id=name, error=repr(error))
                if self.is_lost:
                    self._send_queue.abandon()
                    return
                self._pass(number)
                if self._failures:
                    await asyncio.sleep(_AGAIN_S + _BACKOFF.delay_s(self._failures, random.random))
                    self._asked += 1
        finally:
            self._task = None

    async def _save_as_owner(self) -> None:
        """Write what is new; a session that has run out is taken back. Raises `ProviderUnavailable`, `TimeoutError`."""
        while not self.is_lost:
            try:
                await self._save()
            except Fenced:
                self.is_lost = not await self._owned.take_back(self._epoch)
                if self.is_lost:
                    self._connection.hang_up(TAKEN_OVER, "the session was taken up elsewhere")
            else:
                return

    async def _save(self) -> None:
        """Write what is new. Raises `Fenced`, `ProviderUnavailable`, `TimeoutError`."""
        if self._owned.record.epoch != self._epoch:
            self._delta, self._epoch = CheckpointDelta(), self._owned.record.epoch
        position = self.position
        parts, said, size_bytes = self._delta.take(self._state), self._said, self._said_bytes
        jobs = _encoder.encode(list(self._pending.values()))
        needed = min([position, *(position_of(ref) - 1 for ref in held_refs(self._state))])
        self._said, self._said_bytes = [], 0
        self._entries = self._bytes = 0
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                change = Change(parts.frame, position, jobs, parts.items, tuple(parts.gone), pack_events(said))
                await self._owned.sessions.save(self._owned.record, change)
        except (Fenced, ProviderUnavailable, TimeoutError):
            self._delta.failed(parts)
            later, self._said, self._said_bytes = self._said, said, size_bytes
            for one in later:
                self.said(one)
            raise
        self._needed = needed

    def _pass(self, number: int) -> None:
        self._done = number
        self._send_queue.open_up(number)
        if self._progress is not None:
            self._progress.set()
            self._progress = None
