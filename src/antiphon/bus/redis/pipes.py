"""Pipes in Redis: a stream whose ids are positions, what is known of it, and where its readers are.

All keys of a pipe lie in the slot of the ``{…}`` in its name. Readers say how far they have come whenever they look for
more; what all of them have read makes room for writers, and what nobody has read is never trimmed.
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
from antiphon.wire.jobs import PipeEntry

_LOOK_S = 1.0
"""So often readers and writers look by themselves, in case a wake-up got lost."""
_PRESENT_MS = 5_000
"""A reader that was not heard of for so long is gone, and holds nobody up."""
_KEPT_MS = 900_000
"""So long a pipe is kept that nobody touches."""
_DROPPED_MS = 60_000
"""So long it is known that a pipe was dropped; who writes later than that writes for nobody."""
_ABANDONED_MS = 60_000
"""So long a full pipe waits for a reader that has left: another gateway may take up its session."""
_AT_ONCE = 32
"""Most entries that are fetched at a time."""
_UNBOUNDED = 2**53

_WRITE, _READ, _LEAVE, _DROP, _BEGIN, _FORGET = (
    Script.load("antiphon.bus.redis", name) for name in ("write", "read", "leave", "drop", "begin", "forget")
)
_log = structlog.get_logger(__name__)


class RedisPipes:
    """All pipes."""

    def __init__(self, connection: RedisConnection, inbox: Wakeups, limit: PipeLimit) -> None:
        self._connection = connection
        self._inbox = inbox
        self._limit = limit
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._written = 0
        self.closed = False

    async def write(
        self, pipe: str, entries: Sequence[PipeEntry], by: Attempt | None = None, *, force: bool = False
    ) -> bool:
        """Append in order; False when the pipe was dropped. Waits in line while it is full. Raises `Superseded`."""
        if force:  # does not wait in line: who stands there may wait for long
            return await self._write(pipe, entries, by, f"{self._inbox.name}:force", _UNBOUNDED)
        line = self._lines.setdefault(pipe, asyncio.Lock())
        async with line:
            return await self._write(pipe, entries, by, self._inbox.name)

    async def _write(
        self, pipe: str, entries: Sequence[PipeEntry], by: Attempt | None, writer: str, bound: int = 0
    ) -> bool:
        packed = [(weigh(entry), encode_entry(entry)) for entry in entries]
        most_entries, most_bytes = bound or self._limit.entries, bound or self._limit.bytes
        done = 0
        with self._inbox.watch(self._inbox.name, pipe) as event:
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
        """Let only this attempt of its job write from now on; return how many entries the job has written."""
        written = int(await self._connection.run(_BEGIN, _keys(pipe)[1:2], by.job_id, by.number, _KEPT_MS))
        if written < 0:
            raise Superseded(f"a later attempt of job {by.job_id} has begun")
        return written

    async def forget(self, pipe: str, job_id: str) -> None:
        """Count and keep no more what a job has written."""
        await self._connection.run(_FORGET, (_keys(pipe)[1], _kept(pipe, job_id)), job_id)

    async def recall(self, pipe: str, job_id: str) -> list[PipeEntry]:
        """Return what those attempts of a job have written that keep it."""
        return [decode_entry(entry) for entry in await self._connection.command("LRANGE", _kept(pipe, job_id), 0, -1)]

    async def read(self, pipe: str, after: int, keep: Keep | None = None) -> AsyncGenerator[tuple[int, PipeEntry]]:
        """Yield ``(position, entry)`` from behind ``after``; ends when the pipe is dropped. Raises `NotFound`."""
        name = ids.token(8)
        position, done = after, 0
        try:
            with self._inbox.watch(self._inbox.name, pipe) as event:
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
        """Say where a reader is and return what follows; None when the pipe was dropped. Raises `NotFound`."""
        try:
            kind, *rest = await self._connection.run(
                _READ,
                _keys(pipe),
                name,
                position,
                done,
                _PRESENT_MS,
                self._inbox.name,
                pipe,
                _AT_ONCE,
                _KEPT_MS,
                held,
            )
        except ProviderUnavailable as error:
            _log.warning("a pipe cannot be read", pipe=pipe, error=str(error))
            return []
        if kind == b"gone":
            raise NotFound(f"pipe {pipe} no longer holds what follows {position}", code="pipe_trimmed")
        return None if kind == b"over" else rest[0]

    async def _leave(self, pipe: str, name: str, done: int) -> None:
        try:
            await self._connection.run(_LEAVE, _keys(pipe)[1:], name, done, pipe)
        except ProviderUnavailable as error:  # it counts as gone a few seconds from now
            _log.warning("a reader could not take its leave", pipe=pipe, error=str(error))

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry, 0 where there is none."""
        return int(await self._connection.command("HGET", _keys(pipe)[1], "tail") or 0)

    async def drop(self, pipe: str) -> None:
        """Forget the pipe, and wake who reads it or waits at it."""
        await self._connection.run(_DROP, _keys(pipe), pipe, _DROPPED_MS)

    def close(self) -> None:
        """End all reads and writes of this process."""
        self.closed = True
        self._inbox.wake_all()


def entries_key(pipe: str) -> str:
    """Return the key of the stream with the entries of a pipe; their ids are their positions."""
    return _keys(pipe)[0]


def _keys(pipe: str) -> tuple[str, str, str]:
    stem = _stem(pipe)
    return f"{stem}:pipe", f"{stem}:pipe:state", f"{stem}:pipe:readers"


def _kept(pipe: str, job_id: str) -> str:
    """Return the key of what a job has written and keeps."""
    return f"{_stem(pipe)}:pipe:of:{job_id}"


def _stem(pipe: str) -> str:
    return pipe if "{" in pipe else f"{{{pipe}}}"
