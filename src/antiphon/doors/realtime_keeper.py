"""Saves a conversation, so that another door can take it up, and holds back what must not be noticed before."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from antiphon.conversation.effects import Effect, EndSpeech, Keep, SendAudio
from antiphon.conversation.resumption import held_refs, is_noticeable, number_of
from antiphon.conversation.saving import Savings
from antiphon.conversation.state import State
from antiphon.doors.realtime_outbox import Outbox
from antiphon.errors import Fenced, ProviderUnavailable
from antiphon.ports.sessions import Change, SessionRecord, Sessions
from antiphon.wire.jobs import Job

PIECES = 1 << 16
"""A piece of speech has the number ``position * PIECES + piece``, by its place in the session's pipe."""

_PATIENCE_S = 1.0
"""So long a client waits for its state to be saved. Then the session goes on without: better heard than safe."""
_AGAIN_S = 0.5
"""Between two tries while saving fails."""
_MOST_ENTRIES = 64
_MOST_BYTES = 64 * 2**10
"""After so many results since the last save it is time for the next one: they fill the pipe until then."""
_MOST_EVENTS = 4096
"""So many events wait to be saved; the oldest are forgotten first."""

_log = structlog.get_logger("antiphon.gateway")
_encoder = msgspec.msgpack.Encoder()


class Said(msgspec.Struct, array_like=True, frozen=True):
    """What was sent to the client: as it was, or for speech where it lies."""

    number: int
    frame: bytes = b""
    audio: SendAudio | None = None
    end: EndSpeech | None = None


_said_decoder = msgspec.msgpack.Decoder(list[Said])
_jobs_decoder = msgspec.msgpack.Decoder(list[Job])


def said_since(batches: Iterable[bytes], number: int) -> list[Said]:
    """Return what was said behind event ``number``, in order and each once."""
    found: list[Said] = []
    for batch in batches:
        for said in _said_decoder.decode(zlib.decompress(batch)):
            if said.number > number:
                found.append(said)
                number = said.number
    return found


def jobs_of(data: bytes) -> list[Job]:
    """Return the jobs that were saved."""
    return _jobs_decoder.decode(data) if data else []


@dataclass(slots=True)
class Ownership:
    """A session that is ours; the record changes when it had to be claimed anew."""

    sessions: Sessions
    record: SessionRecord
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who takes it back."""


class Keeper:
    """Saves one conversation, one write at a time; what happens meanwhile goes into the next one.

    While saving fails nothing is held back.
    """

    def __init__(
        self,
        owned: Ownership,
        group: asyncio.TaskGroup,
        outbox: Outbox,
        *,
        state: Callable[[], State],
        pending: Callable[[], Iterable[Job]],
        take_back: Callable[[int], Awaitable[bool]],
        saved: Iterable[str] = (),
        position: int = 0,
        begun: bool = False,
    ) -> None:
        """``saved`` and ``position`` are what lies there already; ``take_back`` says whether a session that was
        thought to be another's is ours after all."""
        self._owned = owned
        self._group = group
        self._state = state
        self._pending = pending
        self._outbox = outbox
        self._take_back = take_back
        self._savings = Savings(saved)
        self._epoch = owned.record.epoch
        """Under which it was saved before: a session that was claimed anew has nothing of it any more."""
        self._said: list[Said] = []
        self._asked = self._done = 0
        self._task: asyncio.Task[None] | None = None
        self._progress: asyncio.Event | None = None
        self._fails = False
        self.is_lost = False
        """True when the session is another's."""
        self.position = position
        """Of the last result that was worked in."""
        self._needed = position
        """Position behind which somebody who takes the session up needs everything."""
        self._entries = self._bytes = 0
        self._is_closed = False
        self.begun = begun
        """True as soon as there is something that is worth to be taken up."""

    # -- what happens ------------------------------------------------------------------------------------------------
    def step(self, effects: Sequence[Effect], given_out: int, *, is_result: bool) -> None:
        """A step was made and is about to be carried out."""
        self._savings.note(effects)
        if is_result:
            if self.is_behind or any(isinstance(effect, Keep) for effect in effects):
                self._ask()
        elif is_noticeable(effects, given_out):
            number = self._ask()
            if not self._fails:
                self._outbox.shut(number)

    def result(self, position: int, size_bytes: int) -> None:
        """A result was worked in."""
        self.position = position
        self._entries += 1
        self._bytes += size_bytes

    def said(self, event_id: str, frame: bytes = b"", *, audio: SendAudio | None = None) -> None:
        """Note what is sent to the client."""
        self._note(Said(number_of(event_id, self._state()) or 0, frame, audio))

    def said_end(self, end: EndSpeech) -> None:
        """Note that the last of an answer's speech is sent."""
        self._note(Said(number_of(end.event.event_id, self._state()) or 0, end=end))

    def _note(self, said: Said) -> None:
        self._said.append(said)
        if len(self._said) > _MOST_EVENTS:
            del self._said[: _MOST_EVENTS // 2]

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
        return self.position if self._fails else self._needed

    def rewind(self, position: int) -> None:
        """The pipe has lost what was worked in: go on from here."""
        self.position = self._needed = position

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
            self._task = self._group.create_task(self._save_all(), name="realtime keeper")
        return self._asked

    async def _save_all(self) -> None:
        try:
            while self._done < self._asked:
                number = self._asked
                try:
                    await self._save()
                except Fenced:
                    if not await self._take_back(self._epoch):
                        self.is_lost = True
                        self._outbox.abandon()
                        return
                    continue
                self._pass(number)
                if self._fails:
                    await asyncio.sleep(_AGAIN_S)
                    self._asked += 1
        finally:
            self._task = None

    async def _save(self) -> None:
        """Write what is new. Raises `Fenced`."""
        if self._owned.record.epoch != self._epoch:
            self._savings, self._epoch = Savings(), self._owned.record.epoch
        state, position = self._state(), self.position
        parts, said = self._savings.take(state), self._said
        self._said = []
        self._entries = self._bytes = 0
        held = [ref // PIECES - 1 for ref in held_refs(state)]
        change = Change(
            parts.frame,
            position,
            _encoder.encode(list(self._pending())),
            parts.items,
            tuple(parts.gone),
            zlib.compress(_encoder.encode(said), 1) if said else b"",  # deltas are much alike
        )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._owned.sessions.save(self._owned.record, change)
        except (ProviderUnavailable, TimeoutError) as error:
            if not self._fails:
                _log.warning("a session cannot be saved", session_id=state.session.id, error=repr(error))
            self._fails = True
            self._savings.failed(parts)
            self._said = said + self._said
        except Fenced:
            self._said = said + self._said
            raise
        else:
            self._fails = False
            self._needed = min([position, *held])

    def _pass(self, number: int) -> None:
        self._done = number
        self._outbox.open_up(number)
        if self._progress is not None:
            self._progress.set()
            self._progress = None
