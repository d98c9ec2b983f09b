"""Pipes in Redis: a stream whose ids are positions, a hash with its state, and a hash with its readers.

All keys of a pipe lie in the slot of the ``{…}`` in its name. Readers report their position with every fetch. Entries
that all of them have read make room for writers; unread entries are never trimmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import structlog

from antiphon import ids
from antiphon.bus.codec import decode_entry, encode_entry, weigh
from antiphon.bus.limits import PipeLimit
from antiphon.bus.redis.wakeups import Wakeups, woken
from antiphon.connections.redis import RedisConnection, Script
from antiphon.errors import NotFound, ProviderUnavailable, Superseded
from antiphon.ports.bus import Attempt, Keep
from antiphon.wire.entries import PipeEntry

_LOOK_S = 1.0
"""Polling interval of readers and writers, in case a wake-up was lost."""
_PRESENT_MS = 5_000
"""A reader without a fetch for this long is gone, and writers no longer wait for it."""
_KEPT_MS = 900_000
"""Time to live of an unused pipe."""
_DROPPED_MS = 60_000
"""How long a pipe stays known as dropped; a later write opens a new pipe."""
_ABANDONED_MS = 60_000
"""How long a full pipe waits for a new reader: another gateway may resume the session."""
_AT_ONCE = 32
"""Most entries that are fetched at a time."""
_UNBOUNDED = 2**53

_WRITE, _READ, _LEAVE, _DROP, _BEGIN, _FORGET = (
    Script.load("antiphon.bus.redis", name) for name in ("write", "read", "leave", "drop", "begin", "forget")
)
_log = structlog.get_logger(__name__)


class RedisPipes:
    """All pipes of one bus."""

    def __init__(self, connection: RedisConnection, wakeups: Wakeups, limit: PipeLimit) -> None:
        self._connection = connection
        self._wakeups = wakeups
        self._limit = limit
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._written = 0
        self.closed = False

    async def write(
        self, pipe: str, entries: Sequence[PipeEntry], by: Attempt | None = None, *, force: bool = False
    ) -> bool:
        """Append in order; False when the pipe was dropped. Waits in line while it is full. Raises `Superseded`."""
        if force:  # skips the lock: its holder may wait for room
            return await self._write(pipe, entries, by, f"{self._wakeups.name}:force", _UNBOUNDED)
        line = self._lines.setdefault(pipe, asyncio.Lock())
        async with line:
            return await self._write(pipe, entries, by, self._wakeups.name)

    async def _write(
        self, pipe: str, entries: Sequence[PipeEntry], by: Attempt | None, writer: str, bound: int = 0
    ) -> bool:
        packed = [(weigh(entry), encode_entry(entry)) for entry in entries]
        most_entries, most_bytes = bound or self._limit.entries, bound or self._limit.bytes
        done = 0
        with self._wakeups.watch(self._wakeups.name, pipe) as event:
            while done < len(packed):
                if self.closed:
                    raise ProviderUnavailable("the bus is closed", code="bus_closed")
                self._written += 1
                arguments = [part for pair in packed[done:] for part in pair]
                kind, *rest = await self._connection.run(
                    _WRITE,
                    (*_keys(pipe), _kept(pipe, by.job_id if by else "")),
                    most_entries,
                    most_bytes,
                    writer,
                    self._written,
                    pipe,
                    _KEPT_MS,
                    by.job_id if by else "",
                    by.number if by else 0,
                    _ABANDONED_MS,
                    int(by.keeps) if by else 0,
                    *arguments,
                )
                if kind == b"over":
                    return False
                if kind == b"superseded":
                    raise Superseded(f"a job that writes to pipe {pipe} is in its attempt {rest[0]}")
                done += rest[0]
                if done < len(packed):
                    await woken(event, _LOOK_S)
        return True

    async def begin(self, pipe: str, by: Attempt) -> int:
        """Let only this attempt of its job write from now on; return the number of entries the job has written."""
        written = int(await self._connection.run(_BEGIN, _keys(pipe)[1:2], by.job_id, by.number, _KEPT_MS))
        if written < 0:
            raise Superseded(f"a later attempt of job {by.job_id} has begun")
        return written

    async def forget(self, pipe: str, job_id: str) -> None:
        """Drop the count and the kept entries of a job."""
        await self._connection.run(_FORGET, (_keys(pipe)[1], _kept(pipe, job_id)), job_id)

    async def recall(self, pipe: str, job_id: str) -> list[PipeEntry]:
        """Return the entries that the attempts of a job have kept."""
        return [decode_entry(entry) for entry in await self._connection.command("LRANGE", _kept(pipe, job_id), 0, -1)]

    async def read(self, pipe: str, after: int, keep: Keep | None = None) -> AsyncGenerator[tuple[int, PipeEntry]]:
        """Yield ``(position, entry)`` from behind ``after``; ends when the pipe is dropped. Raises `NotFound`."""
        name = ids.token(8)
        position, done = after, 0
        try:
            with self._wakeups.watch(self._wakeups.name, pipe) as event:
                while not self.closed:
                    held = position
                    if keep is not None:
                        held = done = min(position, keep())
                    found = await self._fetch(pipe, name, position, done, held)
                    if found is None:
                        return
                    for entry_id, fields in found:
                        position = int(entry_id.partition(b"-")[0])
                        done = position if keep is None else done
                        yield position, decode_entry(fields[1])
                    if not found:
                        await woken(event, _LOOK_S)
        finally:
            await self._leave(pipe, name, done if keep is None else min(position, keep()))

    async def _fetch(self, pipe: str, name: str, position: int, done: int, held: int) -> list[Any] | None:
        """Report a reader's position and return the next entries; None for a dropped pipe. Raises `NotFound`."""
        try:
            kind, *rest = await self._connection.run(
                _READ,
                _keys(pipe),
                name,
                position,
                done,
                _PRESENT_MS,
                self._wakeups.name,
                pipe,
                _AT_ONCE,
                _KEPT_MS,
                held,
            )
        except ProviderUnavailable as error:
            _log.warning("pipe read failed", pipe=pipe, error=str(error))
            return []
        if kind == b"gone":
            raise NotFound(f"pipe {pipe} no longer holds the entries after {position}", code="pipe_trimmed")
        return None if kind == b"over" else rest[0]

    async def _leave(self, pipe: str, name: str, done: int) -> None:
        try:
            await self._connection.run(_LEAVE, _keys(pipe)[1:], name, done, pipe)
        except ProviderUnavailable as error:  # it counts as gone after `_PRESENT_MS`
            _log.warning("pipe reader could not be removed", pipe=pipe, error=str(error))

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry, 0 where there is none."""
        return int(await self._connection.command("HGET", _keys(pipe)[1], "tail") or 0)

    async def drop(self, pipe: str) -> None:
        """Drop the pipe, and wake its readers and writers."""
        await self._connection.run(_DROP, _keys(pipe), pipe, _DROPPED_MS)

    def close(self) -> None:
        """End all reads and writes of this process."""
        self.closed = True
        self._wakeups.wake_all()


def entries_key(pipe: str) -> str:
    """Return the key of the stream with the entries of a pipe; their ids are their positions."""
    return _keys(pipe)[0]


def _keys(pipe: str) -> tuple[str, str, str]:
    stem = _stem(pipe)
    return f"{stem}:pipe", f"{stem}:pipe:state", f"{stem}:pipe:readers"


def _kept(pipe: str, job_id: str) -> str:
    """Return the key of the entries that a job keeps."""
    return f"{_stem(pipe)}:pipe:of:{job_id}"


def _stem(pipe: str) -> str:
    return pipe if "{" in pipe else f"{{{pipe}}}"
