"""Long-term memories: what is known about a user beyond one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Category = Literal["preference", "personality", "habit", "history", "context"]
"""What a memory is about."""

DIMENSIONS: Final = 384
"""Length of the vector of a memory."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Something that is known about a user."""

    tenant: str
    memory_id: str
    user_id: str
    content: str
    category: Category
    created_at: float
    """Seconds since the epoch, UTC; when the user said it, which decides whether an erasure includes it."""
    updated_at: float
    """When it was last confirmed, seconds since the epoch, UTC."""
    confidence: float = 0.8
    """0 to 1."""
    source: str = ""
    tags: tuple[str, ...] = ()
    session_id: str = ""
    """The session in which it was first said; empty for none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A memory that a search has found."""

    memory: Memory
    score: float
    """Cosine similarity to the query, -1 to 1."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The newest memories of a user by category, newest first."""

    preferences: tuple[str, ...]
    personality_traits: tuple[str, ...]
    habits: tuple[str, ...]
    important_events: tuple[str, ...]
    memory_count: int
    """All memories, also those that are not listed."""
    last_updated: float | None
    """Seconds since the epoch, UTC; None without a memory."""
