"""Pipes in memory: bounded, ordered, readable from any position that was not dropped."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from antiphon.bus.codec import decode_entry, encode_entry, weigh
from antiphon.bus.limits import PipeLimit
from antiphon.errors import NotFound, Superseded
from antiphon.ports.bus import Attempt, Keep
from antiphon.wire.entries import PipeEntry

_AT_ONCE = 16
"""Entries that a reader takes without waiting before it yields to other tasks."""
_LOOK_S = 0.25
"""Interval at which a waiting writer checks for room: `Keep` functions notify nobody."""


@dataclass(slots=True)
class _Share:
    """Entries written by one job."""

    attempt: int
    """Number of its newest attempt."""
    count: int = 0
    kept: list[PipeEntry | bytes] = field(default_factory=list["PipeEntry | bytes"])
    """Entries written by attempts with `keeps`."""


class PipeReader(AsyncIterator[tuple[int, PipeEntry]]):
    """A reader's position in a pipe, released when the reader is garbage-collected."""

    __slots__ = ("__weakref__", "_keep", "_pipe", "_run", "position")

    def __init__(self, pipe: Pipe, after: int, keep: Keep | None = None) -> None:
        self._pipe = pipe
        self._keep = keep
        self._run = 0
        """Entries since it last waited."""
        self.position = after
        """Position of the last entry that was read."""
        pipe.join(self)

    @property
    def done(self) -> int:
        """Position up to which entries may be dropped."""
        return self.position if self._keep is None else min(self.position, self._keep())

    def __aiter__(self) -> PipeReader:
        return self

    async def aclose(self) -> None:
        """Read no further."""
        self._pipe.leave(self)

    async def __anext__(self) -> tuple[int, PipeEntry]:
        pipe = self._pipe
        self._run += 1
        if self._run > _AT_ONCE and pipe.tail > self.position:
            self._run = 1
            await asyncio.sleep(0)
        while pipe.tail <= self.position:
            if pipe.over:
                raise StopAsyncIteration
            self._run = 1
            await pipe.more()
        stored = pipe.take(self)
        return self.position, _taken(stored)


class Pipe:
    """Entries in order, numbered from 1.

    Entries that all present readers have read stay for later readers until their room is needed. Unread entries
    are never dropped: writers wait while the pipe is full. An entry above the byte limit is accepted alone.
    """

    # Slots and lazy allocation: every idle session has a few pipes.
    __slots__ = (
        "_bytes",
        "_entries",
        "_head",
        "_limit",
        "_line",
        "_on_left",
        "_read",
        "_readers",
        "_sizes",
        "_space",
        "_strict",
        "_waiting",
        "_written",
        "name",
        "over",
        "tail",
    )

    def __init__(self, name: str, limit: PipeLimit, on_left: Callable[[Pipe], None], *, strict: bool) -> None:
        """``strict`` keeps entries as msgpack, so that every reader gets a copy."""
        self.name = name
        self.tail = 0
        """Position of the newest entry."""
        self.over = False
        """True once the pipe was dropped."""
        self._limit = limit
        self._strict = strict
        self._on_left = on_left
        self._entries: list[PipeEntry | bytes] = []
        self._sizes: list[int] = []
        self._head = 0
        self._bytes = 0
        self._read = 0
        self._readers: list[weakref.ref[PipeReader]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._written: dict[str, _Share] = {}
        self._line: asyncio.Lock | None = None
        self._space: asyncio.Future[None] | None = None

    # -- writing -------------------------------------------------------------------------------------------
    async def write(self, entries: Sequence[PipeEntry], by: Attempt | None = None) -> bool:
        """Append in order; False once the pipe was dropped. Waits, first come first served, while it is full."""
        line = self._line
        done = 0 if line is not None and line.locked() else self._append(entries, 0, by)
        if done == len(entries):
            return not self.over
        if line is None:
            line = self._line = asyncio.Lock()
        async with line:
            while (done := self._append(entries, done, by)) < len(entries):
                self._space = asyncio.get_running_loop().create_future()
                try:
                    await asyncio.wait((self._space,), timeout=_LOOK_S)
                finally:
                    self._space = None
        return not self.over

    def force(self, entry: PipeEntry) -> None:
        """Append ``entry`` even to a full pipe."""
        if not self.over:
            self._push(entry, weigh(entry))
            self._wake_readers()

    def end(self) -> None:
        """Drop all entries and wake readers and writers."""
        self.over = True
        self._entries.clear()
        self._sizes.clear()
        self._head = self.tail = self._bytes = 0
        self._wake_readers()
        self._wake_writer()

    def begin(self, by: Attempt) -> int:
        """Let only this attempt of its job write from now on; return the number of entries the job has written."""
        share = self._share(by)
        self._wake_writer()
        return share.count

    def recall(self, job_id: str) -> list[PipeEntry]:
        """Return the entries that the attempts of a job have kept."""
        share = self._written.get(job_id)
        return [] if share is None else [_taken(stored) for stored in share.kept]

    def forget(self, job_id: str) -> None:
        """Drop the count and the kept entries of a job."""
        self._written.pop(job_id, None)

    def _share(self, by: Attempt) -> _Share:
        """Return the job's share for this attempt. Raises `Superseded` where a later attempt has begun."""
        share = self._written.setdefault(by.job_id, _Share(by.number))
        if share.attempt > by.number:
            raise Superseded(f"job {by.job_id} is in its attempt {share.attempt}")
        share.attempt = by.number
        return share

    def _append(self, entries: Sequence[PipeEntry], done: int, by: Attempt | None) -> int:
        """Append what fits of ``entries[done:]`` and return how many are done."""
        if self.over:
            return len(entries)
        share = None if by is None else self._share(by)
        start = done
        for index in range(start, len(entries)):
            entry = entries[index]
            size = weigh(entry)
            if not self._fits(size):
                break
            self._push(entry, size)
            done = index + 1
        if done > start:
            self._wake_readers()
            if by is not None and share is not None:
                share.count += done - start
                if by.keeps:
                    share.kept += self._entries[start - done :]
        return done

    def _push(self, entry: PipeEntry, size: int) -> None:
        self._entries.append(encode_entry(entry) if self._strict else entry)
        self._sizes.append(size)
        self._bytes += size
        self.tail += 1

    def _fits(self, size: int) -> bool:
        """Say whether ``size`` bytes have a place, letting go of what was read if that makes one."""
        if self._has_room(size):
            return True
        removable = self._floor() - self._head
        gone = min(removable, self._limit.entries // 8)  # several at once: a full pipe stays cheap
        freed = sum(self._sizes[: max(0, gone)])
        while gone < removable and not self._has_room(size, gone, freed):
            freed += self._sizes[gone]
            gone += 1
        if gone > 0:
            del self._entries[:gone], self._sizes[:gone]
            self._head += gone
            self._bytes -= freed
        return not self._entries or self._has_room(size)

    def _has_room(self, size: int, gone: int = 0, freed: int = 0) -> bool:
        limit = self._limit
        return len(self._entries) - gone < limit.entries and self._bytes - freed + size <= limit.bytes

    def _floor(self) -> int:
        """Return the position up to which no reader needs entries."""
        positions = [reader.done for ref in self._readers if (reader := ref()) is not None]
        return min(positions, default=self._read)

    def _wake_writer(self) -> None:
        if self._space is not None and not self._space.done():
            self._space.set_result(None)

    # -- reading -------------------------------------------------------------------------------------------
    def join(self, reader: PipeReader) -> None:
        """Keep unread entries for ``reader``."""
        self._readers.append(weakref.ref(reader, self._left))

    def leave(self, reader: PipeReader) -> None:
        """Stop keeping entries for ``reader``."""
        for ref in self._readers:
            if ref() is reader:
                self._left(ref)
                return

    def take(self, reader: PipeReader) -> PipeEntry | bytes:
        """Advance ``reader`` by one entry and return it. Raises `NotFound` when the entry was dropped."""
        index = reader.position - self._head
        if index < 0:
            raise NotFound(f"pipe {self.name} no longer holds the entries after {reader.position}", code="pipe_trimmed")
        reader.position += 1
        self._read = max(self._read, reader.done)
        if self._space is not None:
            self._wake_writer()
        return self._entries[index]

    async def more(self) -> None:
        """Wait for the next entry, or the end."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future in self._waiting:
                self._waiting.remove(future)
            raise

    def _wake_readers(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _left(self, ref: weakref.ref[PipeReader]) -> None:
        self._readers.remove(ref)
        self._wake_writer()
        if not self._readers and not self.tail:
            self._on_left(self)


def _taken(stored: PipeEntry | bytes) -> PipeEntry:
    return decode_entry(stored) if isinstance(stored, bytes) else stored
