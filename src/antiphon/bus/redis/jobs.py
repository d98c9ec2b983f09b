"""Queues of jobs in Redis: a stream for each priority and a consumer group; leases and delays by an index of due times.

A job is a hash; its stream entry holds its id. An entry is removed only when its job has ended: waiting and running
jobs are never trimmed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import chain
from typing import Any

import msgspec
import structlog

from antiphon import ids
from antiphon.bus.codec import decode_job, encode_job
from antiphon.bus.dead_letters import DeadLetter
from antiphon.bus.limits import QueueLimit
from antiphon.bus.redis.wakeups import CANCELS, Wakeups, queue_channel, woken
from antiphon.connections.redis import RedisConnection, Script
from antiphon.entities.priority import LIVE, PATIENT
from antiphon.errors import LeaseLost, Overloaded, ProviderUnavailable
from antiphon.jobs.audio import JobAudio
from antiphon.observe.tasks import unattended
from antiphon.ports.bus import Share
from antiphon.wire.jobs import Job, Queue, Work, kind_of

_CLASSES = ("high", "normal", "low", "patient")
_SHARES: dict[Share, tuple[int, int]] = {"all": (1, 4), "prompt": (1, 3), "patient": (4, 4)}
"""First and last class of each share, counted from 1."""
_LOOK_S = 1.0
"""Longest interval between two looks of a claim, in case a wake-up was lost; shorter for short leases."""
_SOONEST_S = 0.02
"""Shortest interval: a due job may be exhausted, and then workers cannot claim it."""
_REMEMBERED_MS = 60_000
"""How long the id of an ended job stays known."""
_FLAG_MS = 600_000
"""Time to live of a cancel flag: the longest duration of a job."""

_SUBMIT, _CLAIM, _RENEW, _RELEASE, _FINISH = (
    Script.load("antiphon.bus.redis", name) for name in ("submit", "claim", "renew", "release", "finish")
)
_log = structlog.get_logger(__name__)


def _queues() -> list[Queue]:
    """Return all queues."""
    return [kind.queue for kind in Work.kinds]


def _jobs(queue: Queue) -> str:
    return f"antiphon:queue:{{{queue}}}:job:"


def _flags(queue: Queue) -> str:
    return f"antiphon:queue:{{{queue}}}:cancelled:"


def _dead(queue: Queue) -> str:
    return f"antiphon:queue:{{{queue}}}:dead"


def _streams(queue: Queue) -> tuple[str, ...]:
    return tuple(f"antiphon:queue:{{{queue}}}:{name}" for name in _CLASSES)


def _index(queue: Queue) -> tuple[str, ...]:
    """Return the streams, and the due times of each."""
    streams = _streams(queue)
    return (*streams, *(f"{stream}:due" for stream in streams))


class RedisLease:
    """A job that is leased to one worker."""

    __slots__ = ("_consumer", "_jobs", "job", "reason", "token")

    def __init__(self, jobs: RedisJobs, job: Job, consumer: str, token: str, reason: str) -> None:
        self._jobs = jobs
        self._consumer = consumer
        self.job = job
        self.token = token
        self.reason = reason
        """Why the previous attempt ended."""

    async def renew(self) -> None:
        """Heartbeat. Raises `LeaseLost` when the job was delivered to another worker, or has ended."""
        await self._jobs.renew(self.job, self._consumer, self.token)

    async def acknowledge(self) -> None:
        """End the job as done."""
        await self._jobs.finish(self.job)

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Return the job to its queue; after its last attempt it is buried instead."""
        await self._jobs.release(self.job, self.token, reason, delay_s, counts=counts)

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters."""
        await self._jobs.finish(self.job, self.token, reason)


class RedisJobs:
    """All queues of one bus."""

    def __init__(
        self,
        connection: RedisConnection,
        wakeups: Wakeups,
        limit: QueueLimit,
        on_failed: Callable[[Job, str], Awaitable[None]],
        audio: JobAudio | None = None,
    ) -> None:
        self._connection = connection
        self._wakeups = wakeups
        self._limit = limit
        self._on_failed = on_failed
        self._audio = audio
        self._lease_ms = math.ceil(limit.lease_s * 1000)
        self._look_s = min(_LOOK_S, limit.lease_s / 5)
        self._buriers: dict[Queue, asyncio.Task[None]] = {}
        self._lines: dict[tuple[Queue, Share], asyncio.Lock] = {}
        self.closed = False

    # -- in and out --------------------------------------------------------------------------------------------------
    async def submit(self, job: Job) -> None:
        """Queue ``job`` unless its id is known. Raises `Overloaded` when the queue is full, and `InvalidRequest`."""
        job = job if self._audio is None else await self._audio.detach(job)
        streams = _streams(job.queue)
        keys = (streams[_class(job.priority)], _jobs(job.queue) + job.id, *streams)
        answer = await self._connection.run(
            _SUBMIT, keys, job.id, encode_job(job), self._limit.held, queue_channel(job.queue)
        )
        if answer == b"full":
            await self._delete_audio(job)
            raise Overloaded(f"{self._limit.held} jobs are in the queue {job.queue}", code="queue_full")

    async def claims(self, queue: Queue, consumer: str, share: Share = "all") -> AsyncIterator[RedisLease]:
        """Take jobs of a share one after the other; ends when the bus closes."""
        if queue not in self._buriers:
            self._buriers[queue] = unattended(self._bury_exhausted(queue), name=f"bury exhausted {queue}")
        line = self._lines.setdefault((queue, share), asyncio.Lock())
        with self._wakeups.watch(queue_channel(queue)) as event:
            while not self.closed:
                async with line:  # only one waiting claim polls: a job would wake all of them
                    await asyncio.sleep(0)  # let the handler of the previous job start first
                    lease, due_s = await self._claim(queue, consumer, share)
                    while lease is None and not self.closed:
                        await woken(event, due_s)
                        lease, due_s = await self._claim(queue, consumer, share)
                if lease is not None:
                    yield lease

    async def depth(self, queue: Queue) -> int:
        """Return the number of jobs in ``queue``, waiting or running."""
        return sum(await self._connection.batch([("XLEN", stream) for stream in _streams(queue)]))

    async def close(self) -> None:
        """End all claims."""
        self.closed = True
        self._wakeups.wake_all()
        for burier in self._buriers.values():
            burier.cancel()
        await asyncio.gather(*self._buriers.values(), return_exceptions=True)

    async def _claim(
        self, queue: Queue, consumer: str, share: Share = "all", *, exhausted: bool = False
    ) -> tuple[RedisLease | None, float]:
        """Return a lease, or the seconds until the next try."""
        token = ids.token(12)
        try:
            found: list[Any] = await self._connection.run(
                _CLAIM,
                (*_index(queue), f"antiphon:queue:{{{queue}}}:asked"),
                kind_of(queue).group,
                consumer,
                token,
                self._lease_ms,
                _jobs(queue),
                _flags(queue),
                self._limit.attempts_of(kind_of(queue)),
                "exhausted" if exhausted else "",
                *_SHARES[share],
            )
        except ProviderUnavailable as error:
            _log.warning("job claim failed", queue=queue, error=str(error))
            return None, self._look_s
        if len(found) == 2:  # a cancelled job was removed
            await self._delete_audio(decode_job(found[1]))
            return None, 0.0
        if len(found) == 1:
            return None, self._look_s if found[0] < 0 else min(self._look_s, max(_SOONEST_S, found[0] / 1000))
        _, data, attempt, reason = found
        job = msgspec.structs.replace(decode_job(data), attempt=attempt)
        return RedisLease(self, job, consumer, token, reason.decode()), 0.0

    # -- leases ------------------------------------------------------------------------------------------------------
    async def renew(self, job: Job, consumer: str, token: str) -> None:
        """Keep a lease. Raises `LeaseLost`."""
        keys = (_jobs(job.queue) + job.id, *_index(job.queue))
        if not await self._connection.run(_RENEW, keys, job.work.group, consumer, token, self._lease_ms):
            raise LeaseLost(f"job {job.id} was delivered to another worker, or has ended")

    async def release(self, job: Job, token: str, reason: str, delay_s: float, *, counts: bool) -> None:
        """Return a job to its queue; a cancelled job ends, and so does one after its last attempt."""
        if await self._connection.command("EXISTS", _flags(job.queue) + job.id):
            await self.finish(job)
        elif counts and job.attempt >= self._limit.attempts_of(type(job.work)):
            await self._fail(job, token, reason)
        else:
            keys = (_jobs(job.queue) + job.id, *_index(job.queue))
            await self._connection.run(
                _RELEASE, keys, token, math.ceil(delay_s * 1000), reason, queue_channel(job.queue), int(counts)
            )

    async def finish(self, job: Job, token: str = "", reason: str = "") -> None:
        """End a job: with the token of a lease as a dead letter, without a token as done."""
        queue = job.queue
        keys = (_jobs(queue) + job.id, *_index(queue), _dead(queue), _flags(queue) + job.id)
        letter = _fields(DeadLetter.of(job, reason, time.time())) if token else ()
        ended = await self._connection.run(
            _FINISH, keys, kind_of(queue).group, token, self._limit.dead_letters, _REMEMBERED_MS, *letter
        )
        if ended >= 0:
            await self._delete_audio(job)

    async def _fail(self, job: Job, token: str, reason: str) -> None:
        await self._on_failed(job, reason)  # first: readers are told even if this process dies here
        await self.finish(job, token, reason)

    async def _delete_audio(self, job: Job) -> None:
        if self._audio is not None:
            await self._audio.delete(job)

    async def _bury_exhausted(self, queue: Queue) -> None:
        """Fail the jobs whose last lease expired: no worker claims them again."""
        while True:
            lease, _ = await self._claim(queue, "burier", exhausted=True)
            if lease is None:
                await asyncio.sleep(self._look_s)
                continue
            try:
                await self._fail(lease.job, lease.token, lease.reason)
            except ProviderUnavailable as error:  # retried when this lease expires
                _log.warning("exhausted job could not be failed", job_id=lease.job.id, error=str(error))

    # -- cancelling --------------------------------------------------------------------------------------------------
    async def cancel(self, job_id: str, queue: Queue | None) -> None:
        """Raise the flag of a job in its queue, or in every one."""
        queues = _queues() if queue is None else (queue,)
        await self._connection.batch([("SET", _flags(one) + job_id, "", "PX", _FLAG_MS) for one in queues])
        await self._connection.command("PUBLISH", CANCELS, job_id)

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the flag of a job is up."""
        with self._wakeups.watch(CANCELS, job_id) as event:
            while not await self._is_cancelled(job_id, queue):
                await woken(event, _LOOK_S)

    async def _is_cancelled(self, job_id: str, queue: Queue) -> bool:
        try:
            return bool(await self._connection.command("EXISTS", _flags(queue) + job_id))
        except ProviderUnavailable:  # polled again soon; the worker's heartbeat reports that Redis is unavailable
            return False


async def all_dead_letters(connection: RedisConnection) -> list[DeadLetter]:
    """Return the failed jobs of all queues, oldest first."""
    found = await connection.batch([("XRANGE", _dead(queue), "-", "+") for queue in _queues()])
    return sorted((_dead_letter(*letter) for letters in found for letter in letters), key=lambda letter: letter.at)


def _class(priority: int) -> int:
    """Return the index of a priority's class."""
    if priority >= LIVE:
        return 0 if priority > LIVE else 1
    return 3 if priority <= PATIENT else 2


def _fields(letter: DeadLetter) -> Iterator[str | float]:
    """Return names and values in turn, readable in Redis."""
    return chain.from_iterable(msgspec.structs.asdict(letter).items())


def _dead_letter(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    if b"data" in fields:  # written by the former release
        job = msgspec.structs.replace(decode_job(fields[b"data"]), attempt=int(fields[b"attempt"]))
        return DeadLetter.of(job, fields[b"reason"].decode(), int(entry_id.partition(b"-")[0]) / 1000)
    return msgspec.convert({name.decode(): value.decode() for name, value in fields.items()}, DeadLetter, strict=False)
