"""The history over REST: sessions and their items."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from antiphon.entities.history import SessionKind, SessionStatus

MOST = 100
"""Most entries of a page."""

Order = Literal["asc", "desc"]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a conversation as its client sees it, without audio, and when it was recorded."""

    id: str
    type: str
    created_at: float
    """When this version was recorded, seconds since the epoch."""
    interrupted: bool
    """True for an answer that was stopped before its end."""


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items."""

    object: Literal["list"] = "list"
    data: list[HistoryItem]
    first_id: str | None
    last_id: str | None
    """Cursor of the next page, for ``after``."""
    has_more: bool


class SessionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A session."""

    id: str
    object: Literal["session"] = "session"
    kind: SessionKind
    status: SessionStatus
    """``expired`` for one that was not resumed in time."""
    model: str | None
    conversation_id: str | None
    project_id: str
    key_id: str | None
    """Public name of the key or client secret that began it."""
    created_at: float
    """Seconds since the epoch."""
    closed_at: float | None
    """Null while it is connected or may be resumed, and if its server was killed."""


class SessionDetails(SessionEntry, frozen=True, kw_only=True):
    """A session with its configuration."""

    session: dict[str, Any] | None
    """As in ``session.created`` and ``session.updated``."""


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions."""

    object: Literal["list"] = "list"
    data: list[SessionEntry]
    first_id: str | None
    last_id: str | None
    """Cursor of the next page, for ``after``."""
    has_more: bool


class ItemQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which items a page has."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = MOST
    order: Order = "desc"
    """``desc``: newest first."""
    after: str | None = None
    """Id of the item after which the page begins, in this order."""


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions a page has."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = MOST
    order: Order = "desc"
    """``desc``: newest first."""
    after: str | None = None
    """Id of the session after which the page begins, in this order."""
    created_after: Seconds | None = None
    """Only sessions that began at this time or later, seconds since the epoch."""
    created_before: Seconds | None = None
    """Only sessions that began earlier."""
    kind: SessionKind | None = None
