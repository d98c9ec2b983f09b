"""The audio of jobs between processes: above 64 KiB it is a blob, and the job carries a reference to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from msgspec.structs import replace

from antiphon.clock import Clock
from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, ProviderUnavailable
from antiphon.ports.blobs import Blobs
from antiphon.wire.jobs import Dub, Job, Score, Transcribe

INLINE_BYTES = 64 * 2**10
"""Most audio that travels inside a job."""
SMALL_BYTES = 8 * 2**20
"""Most audio that lies beside the jobs where there is another place for more."""
_PIECE_BYTES = 2**20
_TTL_S = 24 * 3600.0
"""Of the audio of a job without a deadline."""
_MARGIN_S = 60.0
"""Beyond the deadline: clocks differ."""

_log = structlog.get_logger(__name__)


class JobAudio:
    """Detaches audio from jobs when they are submitted, attaches it for their workers, deletes it when they end."""

    def __init__(self, blobs: Blobs, clock: Clock, *, large: Blobs | None = None) -> None:
        """``large`` takes what is larger than 8 MiB, where there is such a place."""
        self._blobs = blobs
        self._clock = clock
        self._large = large

    async def detach(self, job: Job) -> Job:
        """Return ``job`` as it is submitted: with a reference where its audio is above 64 KiB.

        Raises `InvalidRequest` (``blob_too_large``), `Overloaded` (``blobs_full``), `ProviderUnavailable`.
        """
        work = job.work
        if not isinstance(work, Transcribe | Score | Dub) or len(work.audio) <= INLINE_BYTES:
            return job
        left_s = job.deadline_s - self._clock.wall() if job.deadline_s else _TTL_S
        blobs = self._of(len(work.audio))
        ref = await blobs.put(job.tenant, _pieces(work.audio), ttl_s=max(0.0, left_s) + _MARGIN_S)
        return replace(job, work=replace(work, audio=b"", audio_ref=ref))

    async def attach(self, job: Job) -> Job:
        """Return ``job`` with its audio. Raises `ProviderUnavailable`, also where the audio is gone."""
        ref = _ref(job)
        if ref is None:
            return job
        try:
            async with aclosing(self._of(ref.size).get(ref)) as pieces:
                audio = b"".join([piece async for piece in pieces])
        except NotFound as error:
            raise ProviderUnavailable("The audio of the job is no longer there.", code="audio_gone") from error
        return replace(job, work=replace(job.work, audio=audio, audio_ref=None))

    async def delete(self, job: Job) -> None:
        """Delete the audio of a job that has ended; where that fails it expires."""
        ref = _ref(job)
        if ref is not None:
            try:
                await self._of(ref.size).delete(ref)
            except ProviderUnavailable as error:
                _log.warning("audio of an ended job is not deleted", job_id=job.id, error=str(error))

    async def run(self, every_s: float) -> None:
        """Remove expired audio every ``every_s`` seconds, until cancelled."""
        places = (self._blobs,) if self._large is None else (self._blobs, self._large)
        await asyncio.gather(*(place.run(every_s) for place in places))

    def _of(self, size: int) -> Blobs:
        """Return where audio of this size is; all processes of a fleet must agree."""
        return self._blobs if self._large is None or size <= SMALL_BYTES else self._large


def _ref(job: Job) -> BlobRef | None:
    """Return the reference of a job, which finds nothing of another tenant."""
    ref = job.work.audio_ref if isinstance(job.work, Transcribe | Score | Dub) else None
    return None if ref is None else replace(ref, tenant=job.tenant)


async def _pieces(audio: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(audio), _PIECE_BYTES):
        yield audio[start : start + _PIECE_BYTES]
