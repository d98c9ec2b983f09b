"""The long-term memory over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from antiphon.entities.memories import Category

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Tags = Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=32)]


class MemoryMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a memory."""

    category: Category
    confidence: float
    source: str
    tags: list[str]
    session_id: str | None
    created_at: float
    """Seconds since the epoch."""
    updated_at: float


class MemoryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A memory to store."""

    user_id: Name
    content: Words
    category: Category | None = None
    """Absent: found by the words."""
    confidence: Share = 0.8
    source: Annotated[str, msgspec.Meta(max_length=256)] = "api"
    tags: Tags = msgspec.field(default_factory=list[str])
    session_id: Annotated[str, msgspec.Meta(max_length=256)] = ""


class StoredMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The id of a memory."""

    id: str
    object: Literal["memory"] = "memory"


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A search in the memories of a user."""

    user_id: Name
    query: Words
    limit: Limit = 5
    threshold: Share = 0.7
    """Least cosine similarity."""
    category: Category | None = None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A memory that was found."""

    id: str
    memory: str
    score: float
    """Cosine similarity to the query."""
    metadata: MemoryMetadata


class SearchResults(msgspec.Struct, frozen=True, kw_only=True):
    """The memories that were found, the most similar first."""

    object: Literal["list"] = "list"
    data: list[SearchResult]


class RetrieveRequest(msgspec.Struct, frozen=True, kw_only=True, rename={"session_id": "sessionId"}):
    """A search in the memories of ``meta.user_id``, or else of the user who is named as the session."""

    session_id: Name
    query: Words
    limit: Limit = 5
    meta: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class Retrieved(msgspec.Struct, frozen=True, kw_only=True):
    """A memory that was retrieved."""

    content: str
    score: float


class RetrievedList(msgspec.Struct, frozen=True, kw_only=True):
    """The memories that were retrieved, the most similar first."""

    results: list[Retrieved]


class UserQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A user."""

    user_id: Name


class UserProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The newest memories of a user by category, newest first."""

    user_id: str
    preferences: list[str]
    personality_traits: list[str]
    habits: list[str]
    important_events: list[str]
    memory_count: int
    last_updated: float | None
    """Seconds since the epoch; null without a memory."""


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """How many memories were erased."""

    user_id: str
    erased: int
