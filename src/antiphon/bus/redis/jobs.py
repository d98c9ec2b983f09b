"""Queues of jobs in Redis: a stream for each priority and a consumer group; leases and delays by an index of due times.

A job is a hash, its entry in the stream holds its id. Entries go when their job has ended, and no other way: nothing
that waits or is being worked on is ever trimmed.
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
"""At least so often a claim looks by itself, in case a wake-up got lost, and several times in a lease."""
_SOONEST_S = 0.02
"""What is due may be another's: an exhausted job is not for those who work."""
_REMEMBERED_MS = 60_000
"""So long an ended job is known."""
_FLAG_MS = 600_000
"""So long a cancel flag stays up: as long as the longest job may take."""

_SUBMIT, _CLAIM, _RENEW, _RELEASE, _SETTLE = (
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
    """A job in the hands of one worker."""

    __slots__ = ("_consumer", "_jobs", "job", "reason", "token")

    def __init__(self, jobs: RedisJobs, job: Job, consumer: str, token: str, reason: str) -> None:
        self._jobs = jobs
        self._consumer = consumer
        self.job = job
        self.token = token
        self.reason = reason
        """Why the attempt before ended."""

    async def renew(self) -> None:
        """Heartbeat. Raises `LeaseLost` when another worker has the job by now, or when it has ended."""
        await self._jobs.renew(self.job, self._consumer, self.token)

    async def acknowledge(self) -> None:
        """The job has ended well."""
        await self._jobs.finish(self.job)

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Give the job back; after its last attempt it is buried instead."""
        await self._jobs.release(self.job, self.token, reason, delay_s, counts=counts)

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters."""
        await self._jobs.finish(self.job, self.token, reason)


class RedisJobs:
    """All queues."""

    def __init__(
        self,
        connection: RedisConnection,
        inbox: Wakeups,
        limit: QueueLimit,
        on_given_up: Callable[[Job, str], Awaitable[None]],
        audio: JobAudio | None = None,
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._limit = limit
        self._on_given_up = on_given_up
        self._audio = audio
        self._lease_ms = math.ceil(limit.lease_s * 1000)
        self._look_s = min(_LOOK_S, limit.lease_s / 5)
        self._undertakers: dict[Queue, asyncio.Task[None]] = {}
        self._lines: dict[tuple[Queue, Share], asyncio.Lock] = {}
        self.closed = False

    # -- in and out --------------------------------------------------------------------------------------------------
    async def submit(self, job: Job) -> None:
        """Queue ``job`` unless it is known. Raises `Overloaded` when the queue is full, and `InvalidRequest`."""
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
        if queue not in self._undertakers:
            self._undertakers[queue] = unattended(self._bury_exhausted(queue), name=f"undertaker {queue}")
        line = self._lines.setdefault((queue, share), asyncio.Lock())
        with self._inbox.watch(queue_channel(queue)) as event:
            while not self.closed:
                async with line:  # one of those who wait asks, or each job would wake them all
                    await asyncio.sleep(0)  # the handler of the job before begins first
                    lease, due_s = await self._claim(queue, consumer, share)
                    while lease is None and not self.closed:
                        await woken(event, due_s)
                        lease, due_s = await self._claim(queue, consumer, share)
                if lease is not None:
                    yield lease

    async def depth(self, queue: Queue) -> int:
        """Return how many jobs are in ``queue``, waiting or at work."""
        return sum(await self._connection.batch([("XLEN", stream) for stream in _streams(queue)]))

    async def close(self) -> None:
        """End all claims."""
        self.closed = True
        self._inbox.wake_all()
        for undertaker in self._undertakers.values():
            undertaker.cancel()
        await asyncio.gather(*self._undertakers.values(), return_exceptions=True)

    async def _claim(
        self, queue: Queue, consumer: str, share: Share = "all", *, exhausted: bool = False
    ) -> tuple[RedisLease | None, float]:
        """Return a lease, or the seconds until there may be one."""
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
                self._limit.attempts,
                "exhausted" if exhausted else "",
                *_SHARES[share],
            )
        except ProviderUnavailable as error:
            _log.warning("no job can be claimed", queue=queue, error=str(error))
            return None, self._look_s
        if len(found) == 2:  # a cancelled job was taken out
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
            raise LeaseLost(f"job {job.id} went to another worker, or has ended")

    async def release(self, job: Job, token: str, reason: str, delay_s: float, *, counts: bool) -> None:
        """Give a job back, unless it is cancelled or this was its last attempt."""
        if await self._connection.command("EXISTS", _flags(job.queue) + job.id):
            await self.finish(job)
        elif counts and job.attempt >= self._limit.attempts:
            await self._give_up(job, token, reason)
        else:
            keys = (_jobs(job.queue) + job.id, *_index(job.queue))
            await self._connection.run(
                _RELEASE, keys, token, math.ceil(delay_s * 1000), reason, queue_channel(job.queue), int(counts)
            )

    async def finish(self, job: Job, token: str = "", reason: str = "") -> None:
        """End a job: with a lease's token as a dead letter, without one because it is done."""
        queue = job.queue
        keys = (_jobs(queue) + job.id, *_index(queue), _dead(queue), _flags(queue) + job.id)
        letter = _fields(DeadLetter.of(job, reason, time.time())) if token else ()
        ended = await self._connection.run(
            _SETTLE, keys, kind_of(queue).group, token, self._limit.dead_letters, _REMEMBERED_MS, *letter
        )
        if ended >= 0:
            await self._delete_audio(job)

    async def _give_up(self, job: Job, token: str, reason: str) -> None:
        await self._on_given_up(job, reason)  # first: who waits for the job hears of it even if this process dies here
        await self.finish(job, token, reason)

    async def _delete_audio(self, job: Job) -> None:
        if self._audio is not None:
            await self._audio.delete(job)

    async def _bury_exhausted(self, queue: Queue) -> None:
        """Give up the jobs whose last lease ran out: no worker comes back for them."""
        while True:
            lease, _ = await self._claim(queue, "undertaker", exhausted=True)
            if lease is None:
                await asyncio.sleep(self._look_s)
                continue
            try:
                await self._give_up(lease.job, lease.token, lease.reason)
            except ProviderUnavailable as error:  # once more when this lease runs out
                _log.warning("a job could not be given up", job_id=lease.job.id, error=str(error))

    # -- cancelling --------------------------------------------------------------------------------------------------
    async def cancel(self, job_id: str, queue: Queue | None) -> None:
        """Raise the flag of a job in its queue, or in every one."""
        queues = _queues() if queue is None else (queue,)
        await self._connection.batch([("SET", _flags(one) + job_id, "", "PX", _FLAG_MS) for one in queues])
        await self._connection.command("PUBLISH", CANCELS, job_id)

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the flag of a job is up."""
        with self._inbox.watch(CANCELS, job_id) as event:
            while not await self._is_cancelled(job_id, queue):
                await woken(event, _LOOK_S)

    async def _is_cancelled(self, job_id: str, queue: Queue) -> bool:
        try:
            return bool(await self._connection.command("EXISTS", _flags(queue) + job_id))
        except ProviderUnavailable:  # asked again soon; the worker's own heartbeat says that Redis is away
            return False


async def all_dead_letters(connection: RedisConnection) -> list[DeadLetter]:
    """Return the jobs of all queues that failed or were given up, oldest first."""
    found = await connection.batch([("XRANGE", _dead(queue), "-", "+") for queue in _queues()])
    return sorted((_dead_letter(fields) for letters in found for _, fields in letters), key=lambda letter: letter.at)


def _class(priority: int) -> int:
    """Return the place of a priority among the classes."""
    if priority >= LIVE:
        return 0 if priority > LIVE else 1
    return 3 if priority <= PATIENT else 2


def _fields(letter: DeadLetter) -> Iterator[str | float]:
    """Return names and values in turn, as whoever looks into Redis reads them."""
    return chain.from_iterable(msgspec.structs.asdict(letter).items())


def _dead_letter(fields: dict[bytes, bytes]) -> DeadLetter:
    return msgspec.convert({name.decode(): value.decode() for name, value in fields.items()}, DeadLetter, strict=False)
