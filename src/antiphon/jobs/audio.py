"""The audio of jobs between processes: above 64 KiB it is stored in blobs, and the job refers to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import structlog
from msgspec.structs import replace

from antiphon.clock import Clock
from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, ProviderUnavailable
from antiphon.ports.blobs import Blobs
from antiphon.wire.jobs import Job

INLINE_BYTES = 64 * 2**10
"""Most audio that travels inside a job."""
SMALL_BYTES = 8 * 2**20
"""Most audio in one blob; more is stored in several, unless there is a store for large blobs."""
_PIECE_BYTES = 2**20
_TTL_S = 24 * 3600.0
"""Lifetime of the audio of a job without a deadline."""
_MARGIN_S = 60.0
"""Added to the deadline: clocks differ."""

_log = structlog.get_logger(__name__)


class JobAudio:
    """Detaches audio from jobs when they are submitted, attaches it for their workers, deletes it when they end."""

    def __init__(self, blobs: Blobs, clock: Clock, *, large: Blobs | None = None) -> None:
        """``large``, if given, stores audio above 8 MiB."""
        self._blobs = blobs
        self._clock = clock
        self._large = large

    async def detach(self, job: Job) -> Job:
        """Return ``job`` as it is submitted: audio above 64 KiB is replaced by references.

        Raises `Overloaded` (``blobs_full``), `ProviderUnavailable`.
        """
        work: Any = job.work
        if not work.carries_audio or len(work.audio) <= INLINE_BYTES:
            return job
        left_s = job.deadline_s - self._clock.wall() if job.deadline_s else _TTL_S
        blobs, part = self._of(len(work.audio))
        refs: list[BlobRef] = []
        try:
            for start in range(0, len(work.audio), part):
                pieces = _pieces(work.audio[start : start + part])
                refs.append(await blobs.put(job.tenant, pieces, ttl_s=max(0.0, left_s) + _MARGIN_S))
        except BaseException:
            await self._delete(job.id, blobs, refs)
            raise
        return replace(job, work=replace(work, audio=b"", audio_refs=tuple(refs)))

    async def attach(self, job: Job) -> Job:
        """Return ``job`` with its audio. Raises `ProviderUnavailable`, also when the audio is gone."""
        refs = _refs(job)
        if not refs:
            return job
        blobs, _ = self._of(sum(ref.size for ref in refs))
        audio = bytearray()
        try:
            for ref in refs:
                async with aclosing(blobs.get(ref)) as pieces:
                    async for piece in pieces:
                        audio += piece
        except NotFound as error:
            raise ProviderUnavailable("The audio of the job is no longer there.", code="audio_gone") from error
        return replace(job, work=replace(job.work, audio=bytes(audio), audio_refs=()))

    async def delete(self, job: Job) -> None:
        """Delete the audio of a job that has ended; if this fails the audio expires."""
        refs = _refs(job)
        await self._delete(job.id, self._of(sum(ref.size for ref in refs))[0], refs)

    async def _delete(self, job_id: str, blobs: Blobs, refs: Iterable[BlobRef]) -> None:
        try:
            for ref in refs:
                await blobs.delete(ref)
        except ProviderUnavailable as error:
            _log.warning("job audio deletion failed", job_id=job_id, error=str(error))

    async def run(self, every_s: float) -> None:
        """Remove expired audio every ``every_s`` seconds, until cancelled."""
        stores = (self._blobs,) if self._large is None else (self._blobs, self._large)
        await asyncio.gather(*(store.run(every_s) for store in stores))

    def _of(self, size: int) -> tuple[Blobs, int]:
        """Return the store for audio of this size, and its largest blob; all processes of a fleet must agree."""
        return (self._blobs, SMALL_BYTES) if self._large is None or size <= SMALL_BYTES else (self._large, size)


def _refs(job: Job) -> tuple[BlobRef, ...]:
    """Return the references of a job, bound to its tenant."""
    work: Any = job.work
    return tuple(replace(ref, tenant=job.tenant) for ref in work.audio_refs) if work.carries_audio else ()


async def _pieces(audio: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(audio), _PIECE_BYTES):
        yield audio[start : start + _PIECE_BYTES]
