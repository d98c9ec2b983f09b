"""``/v1/memory``: what is known about users beyond one session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.entities.memories import Found
from antiphon.errors import (
    InvalidRequest,
    Overloaded,
    ProviderBusy,
    ProviderTimeout,
    ProviderUnavailable,
    WeightsMissing,
)
from antiphon.jobs.client import JobClient
from antiphon.ports.memories import Memories
from antiphon.wire.entries import MemoriesRecalled, MemoryStored
from antiphon.wire.jobs import Memorize, MemoryScope, Recall
from antiphon.wire.memory import (
    Erased,
    MemoryMetadata,
    MemoryRequest,
    Retrieved,
    RetrievedList,
    RetrieveRequest,
    SearchRequest,
    SearchResult,
    SearchResults,
    StoredMemory,
    UserProfile,
    UserQuery,
)

_RETRIEVE_THRESHOLD = 0.4
"""Least similarity of memories for a prompt; a search may ask for another."""
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class MemoryServices:
    """Everything that these routes use."""

    jobs: JobClient
    memories: Memories


async def store_memory(services: MemoryServices, call: Call[MemoryRequest, Any]) -> StoredMemory:
    """Store something about a user; a search finds it at once. The same words again make no second memory."""
    body = call.body
    work = Memorize(
        user_id=body.user_id,
        content=_words(body.content, "content"),
        category=body.category,
        confidence=body.confidence,
        source=body.source,
        tags=tuple(body.tags),
        session_id=body.session_id,
    )
    entry = await services.jobs.result(work, MemoryStored, tenant=call.identity.tenant, timeout_s=_TIMEOUT_S)
    return StoredMemory(id=entry.memory_id)


async def search_memories(services: MemoryServices, call: Call[SearchRequest, Any]) -> SearchResults:
    """Find memories of a user that are similar to a text."""
    body = call.body
    scope = MemoryScope(body.user_id, body.limit, body.threshold, body.category)
    found = await _recall(services, call.identity.tenant, scope, body.query)
    return SearchResults(data=[_result(one) for one in found])


async def retrieve_memories(services: MemoryServices, call: Call[RetrieveRequest, Any]) -> RetrievedList:
    """Find memories for a prompt: those of `meta.user_id`, or of the user who is named as the session."""
    body = call.body
    user_id = body.meta.get("user_id", body.session_id)
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 256:
        raise InvalidRequest("The user id is a text of 1 to 256 characters.", param="meta.user_id")
    scope = MemoryScope(user_id, body.limit, _RETRIEVE_THRESHOLD)
    found = await _recall(services, call.identity.tenant, scope, body.query)
    return RetrievedList(results=[Retrieved(content=one.memory.content, score=one.score) for one in found])


async def get_profile(services: MemoryServices, call: Call[None, UserQuery]) -> UserProfile:
    """Return what is known about a user."""
    profile = await services.memories.profile(call.identity.tenant, call.query.user_id)
    return UserProfile(user_id=call.query.user_id, **asdict(profile))


async def erase_memories(services: MemoryServices, call: Call[None, UserQuery]) -> Erased:
    """Erase all memories of a user, also those of earlier sessions that are not written yet."""
    user_id = call.query.user_id
    return Erased(user_id=user_id, erased=await services.memories.erase_user(call.identity.tenant, user_id))


async def _recall(services: MemoryServices, tenant: str, scope: MemoryScope, query: str) -> Sequence[Found]:
    work = Recall(scope=scope, query=_words(query, "query"))
    return (await services.jobs.result(work, MemoriesRecalled, tenant=tenant, timeout_s=_TIMEOUT_S)).found


def _words(text: str, param: str) -> str:
    if not text.strip():
        raise InvalidRequest("The text is blank.", param=param)
    return text


def _result(found: Found) -> SearchResult:
    memory = found.memory
    metadata = MemoryMetadata(
        category=memory.category,
        confidence=memory.confidence,
        source=memory.source,
        tags=list(memory.tags),
        session_id=memory.session_id or None,
        created_at=memory.created_at,
        updated_at=memory.updated_at,
    )
    return SearchResult(id=memory.memory_id, memory=memory.content, score=round(found.score, 4), metadata=metadata)


_AWAY = (ProviderBusy, ProviderUnavailable)
_WORK = (InvalidRequest, Overloaded, ProviderTimeout, WeightsMissing, *_AWAY)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST", "/v1/memory", store_memory, "Store a memory", "memory",
        {JSON: (StoredMemory,)}, body=JsonBody(MemoryRequest), errors=_WORK,
    ),
    Route(
        "POST", "/v1/memory/search", search_memories, "Search memories", "memory",
        {JSON: (SearchResults,)}, body=JsonBody(SearchRequest), errors=_WORK,
    ),
    Route(
        "POST", "/v1/memory/retrieve", retrieve_memories, "Retrieve memories for a prompt", "memory",
        {JSON: (RetrievedList,)}, body=JsonBody(RetrieveRequest), errors=_WORK,
    ),
    Route(
        "GET", "/v1/memory/profile", get_profile, "Get the profile of a user", "memory",
        {JSON: (UserProfile,)}, query=UserQuery, errors=(InvalidRequest, *_AWAY),
    ),
    Route(
        "DELETE", "/v1/memory", erase_memories, "Erase the memories of a user", "memory",
        {JSON: (Erased,)}, query=UserQuery, errors=(InvalidRequest, *_AWAY),
    ),
)  # fmt: skip
"""Their services are `MemoryServices`."""
