"""Stored conversation items."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One version of one conversation item; a higher ``revision`` replaces a lower one."""

    tenant: str
    session_id: str
    item_id: str
    position: int
    """Order within the session."""
    revision: int
    content: bytes
    """The item as JSON, without audio."""
    created_at: float
    """Seconds since the epoch, UTC."""
    deleted: bool = False
    interrupted: bool = False
    """True if its speaker was stopped before the end."""
