"""Saves a conversation so that another gateway can resume it; holds output back until its state is saved."""

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

LOST = TAKEN_OVER, "the session was resumed elsewhere, or ended"
"""Close code and reason of a connection that has lost its session."""
_TIMEOUT_S = 1.0
"""Longest wait for a save; then the session continues unsaved, and output is no longer held back."""
_RETRY_S = 0.25
_BACKOFF = Backoff(base_s=0.5, cap_s=5.0)
"""Added to `_RETRY_S` between two attempts while saving fails."""
_MAX_ENTRIES = 64
_MAX_BYTES = 64 * 2**10
"""Results since the last save after which the next one is due: unsaved results stay in the pipe."""
_RETAINED_BYTES = 192 * 2**10
"""Newest speech that stays in the pipe though it was sent: the send queue and the network may still hold it when the
connection is lost. Twice the limit of the send queue."""
_MAX_UNSAVED_BYTES = LARGE_BYTES
"""Upper bound on unsaved sent events: they are compressed in the event loop. Older events cannot be replayed."""
_EVENT_OVERHEAD_BYTES = 256
"""Assumed size of an event without its frame."""

_log = structlog.get_logger(__name__)
_encoder = msgspec.msgpack.Encoder()


_jobs_decoder = msgspec.msgpack.Decoder(list[Job])


def jobs_of(data: bytes) -> list[Job]:
    """Decode saved jobs."""
    return _jobs_decoder.decode(data) if data else []


@dataclass(slots=True)
class SessionLease:
    """Ownership of a session by this gateway; the record changes when the session had to be claimed again."""

    sessions: Sessions
    record: SessionRecord
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the session is claimed again."""
    is_over: bool = False
    """True as soon as its connection has ended."""

    async def take_back(self, epoch: int) -> bool:
        """Claim again a session that expired while Redis was unavailable; False when another gateway owns it.

        ``epoch`` is the one that was refused; the lease may have a newer one by now. Raises `ProviderUnavailable`.
        """
        async with self.lock:
            record = self.record
            if record.epoch != epoch:  # it was claimed again meanwhile
                return True
            if await self.sessions.find(record.tenant, record.session_id) is not None:
                return False
            self.record = await self.sessions.claim(record.tenant, record.session_id, record.gateway_id, record.owner)
            if self.is_over:  # it has ended meanwhile
                await self.end(resumable=False)
        return True

    async def end(self, *, resumable: bool) -> None:
        """Release the session; ``resumable`` keeps its state for the resume window."""
        try:
            await self.sessions.end(self.record, resumable=resumable)
        except ProviderUnavailable as error:  # it expires
            _log.warning("session release failed", session_id=self.record.session_id, error=str(error))


class Checkpointer:
    """Saves one conversation, one write at a time; changes during a write go into the next one.

    While saving fails, output is not held back.
    """

    def __init__(
        self,
        lease: SessionLease,
        group: asyncio.TaskGroup,
        connection: Connection,
        send_queue: SendQueue,
        state: State,
        pending: Mapping[str, Job],
        saved: Saved | None = None,
    ) -> None:
        """``pending`` holds jobs that may not be submitted yet; ``saved`` is the state of a resumed session."""
        self._lease = lease
        self._group = group
        self._connection = connection
        self._state = state
        self._pending = pending
        self._send_queue = send_queue
        self._delta = CheckpointDelta(saved.items if saved is not None else ())
        self._epoch = lease.record.epoch
        """Epoch of the last save: a session that was claimed again has lost what was saved under an older one."""
        self._unsaved: list[SentEvent] = []
        self._unsaved_bytes = 0
        self._requested = self._done = 0
        self._task: asyncio.Task[None] | None = None
        self._progress: asyncio.Event | None = None
        self._failures = 0
        self.is_lost = False
        """True when another gateway owns the session."""
        self.position = saved.position if saved is not None else 0
        """Position of the last result that the state includes."""
        self._needed = self.position
        """Position after which a resumption needs every result."""
        self._newest: deque[tuple[int, int]] = deque()
        """Position and size of each piece of speech that may not have reached the client."""
        self._newest_bytes = 0
        self._entries = self._bytes = 0
        self._is_closed = False
        self.begun = saved is not None
        """True as soon as the session is worth resuming."""

    # -- notes -------------------------------------------------------------------------------------------------------
    def step(self, effects: Sequence[Effect], given_out: int, *, is_result: bool) -> None:
        """Note a step before its effects are carried out."""
        self._delta.note(effects)
        if is_result:
            if self.is_behind or any(isinstance(effect, PersistItem) for effect in effects):
                self._request()
        elif is_noticeable(effects, given_out):
            number = self._request()
            if not self._failures:
                self._send_queue.shut(number)

    def result(self, position: int, size_bytes: int) -> None:
        """Note that the state includes the result at ``position``."""
        self.position = position
        self._entries += 1
        self._bytes += size_bytes
        if size_bytes:
            self._newest.append((position, size_bytes))
            self._newest_bytes += size_bytes
        while self._newest_bytes > _RETAINED_BYTES:
            self._newest_bytes -= self._newest.popleft()[1]

    def sent(self, event: SentEvent) -> None:
        """Note an event that is sent to the client."""
        self._unsaved.append(event)
        self._unsaved_bytes += _EVENT_OVERHEAD_BYTES + len(event.frame)
        if self._unsaved_bytes > _MAX_UNSAVED_BYTES:
            self._unsaved, self._unsaved_bytes = [SentEvent(event.number)], 0

    @property
    def is_behind(self) -> bool:
        """True when so many results came since the last save that further ones should wait for the next save."""
        return self._entries >= _MAX_ENTRIES or self._bytes >= _MAX_BYTES

    # -- waiting ----------------------------------------------------------------------------------------------------
    @property
    def gate(self) -> int:
        """Number of the last save that was requested."""
        return self._requested

    async def saved(self, number: int) -> None:
        """Return when save ``number`` is done; never return when another gateway owns the session."""
        while self._done < number or self.is_lost:
            self._progress = self._progress or asyncio.Event()
            await self._progress.wait()

    def needed(self) -> int:
        """Return the position up to which the session's pipe is no longer needed."""
        if self._failures:
            return self.position
        return min(self._needed, self._newest[0][0] - 1) if self._newest else self._needed

    def rewind(self, position: int) -> None:
        """Continue from ``position``: the pipe has lost later results that the state includes."""
        self.position = self._needed = position
        self._newest.clear()
        self._newest_bytes = 0

    def close(self) -> None:
        """Stop saving, and release everything that is held back."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._release(self._requested)

    # -- saving ------------------------------------------------------------------------------------------------------
    def _request(self) -> int:
        self._requested += 1
        self.begun = self.begun or self._requested > 1
        if self._task is None and not self.is_lost and not self._is_closed:
            self._task = self._group.create_task(self._save_all(), name="realtime checkpointer")
        return self._requested

    async def _save_all(self) -> None:
        try:
            while self._done < self._requested:
                number = self._requested
                try:
                    await self._save_as_owner()
                    self._failures = 0
                except (ProviderUnavailable, TimeoutError) as error:
                    self._failures += 1
                    if self._failures == 1:
                        name = self._lease.record.session_id
                        _log.warning("session save failed", session_id=name, error=repr(error))
                if self.is_lost:
                    self._send_queue.abandon()
                    return
                self._release(number)
                if self._failures:
                    await asyncio.sleep(_RETRY_S + _BACKOFF.delay_s(self._failures, random.random))
                    self._requested += 1
        finally:
            self._task = None

    async def _save_as_owner(self) -> None:
        """Save the changes; claim an expired session again. Raises `ProviderUnavailable`, `TimeoutError`."""
        while not self.is_lost:
            try:
                await self._save()
            except Fenced:
                self.is_lost = not await self._lease.take_back(self._epoch)
                if self.is_lost:
                    self._connection.hang_up(*LOST)
            else:
                return

    async def _save(self) -> None:
        """Save the changes. Raises `Fenced`, `ProviderUnavailable`, `TimeoutError`."""
        if self._lease.record.epoch != self._epoch:
            self._delta, self._epoch = CheckpointDelta(), self._lease.record.epoch
        position = self.position
        parts, sent, size_bytes = self._delta.take(self._state), self._unsaved, self._unsaved_bytes
        jobs = _encoder.encode(list(self._pending.values()))
        needed = min([position, *(position_of(ref) - 1 for ref in held_refs(self._state))])
        self._unsaved, self._unsaved_bytes = [], 0
        self._entries = self._bytes = 0
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                change = Change(parts.frame, position, jobs, parts.items, tuple(parts.gone), pack_events(sent))
                await self._lease.sessions.save(self._lease.record, change)
        except (Fenced, ProviderUnavailable, TimeoutError):
            self._delta.failed(parts)
            later, self._unsaved, self._unsaved_bytes = self._unsaved, sent, size_bytes
            for one in later:
                self.sent(one)
            raise
        self._needed = needed

    def _release(self, number: int) -> None:
        self._done = number
        self._send_queue.open_up(number)
        if self._progress is not None:
            self._progress.set()
            self._progress = None
