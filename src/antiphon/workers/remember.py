"""The remember worker: writes what users said to the long-term memory, and finds it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from antiphon.clock import Clock
from antiphon.entities.events import Event
from antiphon.entities.memories import Memory
from antiphon.errors import InvalidRequest, ProviderUnavailable, WeightsMissing
from antiphon.memory.categories import category_of
from antiphon.ports.bus import Bus
from antiphon.ports.embedding import Embedding
from antiphon.ports.memories import Memories
from antiphon.wire.entries import MemoriesRecalled, MemoryStored
from antiphon.wire.events import LtmWriteRequested
from antiphon.wire.jobs import Job, Memorize, Recall
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of

_TYPE = "LtmWriteRequested"
_decode = msgspec.json.Decoder(LtmWriteRequested).decode


class Rememberer:
    """Processes the events of the memory's log, and handles ``recall`` and ``memorize`` jobs."""

    def __init__(self, embedding: Embedding, memories: Memories, clock: Clock) -> None:
        self._embedding = embedding
        self._memories = memories
        self._clock = clock

    async def __call__(self, events: Sequence[Event]) -> None:
        """Remember the words of the events; types of other programs are left to them.

        An event makes the same memory whenever it comes. Raises `InvalidRequest` for a payload that is none, and
        `Transient` errors, also while the weights of the model are missing: events wait for them.
        """
        asked = [(event, _payload(event)) for event in events if event.type == _TYPE]
        memories = [_memory(event, payload) for event, payload in asked if payload.payload.vectorize]
        if not memories:
            return
        try:
            vectors = await self._embedding.embed([memory.content for memory in memories])
        except WeightsMissing as error:
            raise ProviderUnavailable(error.message, code=error.code) from error
        await self._memories.write(list(zip(memories, vectors, strict=True)))

    async def recall(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit the memories that a ``recall`` job asks for."""
        del bus
        work = work_of(job, Recall)
        (vector,) = await self._embedding.embed([work.query])
        scope = work.scope
        found = await self._memories.search(
            job.tenant,
            scope.user_id,
            vector,
            limit=scope.limit,
            threshold=scope.threshold,
            category=scope.category,
        )
        await emit([MemoriesRecalled(job.id, tuple(found))])

    async def memorize(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Store the memory of a ``memorize`` job, and emit its id; a repeated job stores the same one."""
        del bus
        work, now = work_of(job, Memorize), self._clock.wall()
        memory = Memory(
            tenant=job.tenant,
            memory_id=_memory_id(job.id),
            user_id=work.user_id,
            content=work.content,
            category=work.category or category_of(work.content),
            created_at=now,
            updated_at=now,
            confidence=work.confidence,
            source=work.source,
            tags=work.tags,
            session_id=work.session_id,
        )
        (vector,) = await self._embedding.embed([memory.content])
        await self._memories.write([(memory, vector)])
        await emit([MemoryStored(job.id, memory.memory_id)])


def _payload(event: Event) -> LtmWriteRequested:
    try:
        return _decode(event.payload)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        message = "the payload is not one of LtmWriteRequested"
        raise InvalidRequest(message, param="payload", detail=str(error)) from error


def _memory(event: Event, payload: LtmWriteRequested) -> Memory:
    return Memory(
        tenant=event.tenant,
        memory_id=_memory_id(event.event_id),
        user_id=payload.user_id,
        content=payload.payload.text,
        category=category_of(payload.payload.text),
        created_at=event.created_at,
        updated_at=event.created_at,
        source="conversation",
        session_id=event.session_id,
    )


def _memory_id(source: str) -> str:
    """Return the id of the memory that an event or a job makes."""
    return f"mem_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
