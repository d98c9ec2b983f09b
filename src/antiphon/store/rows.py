"""Rows of the port as columns of the tables, and back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from antiphon.entities.history import StoredItem, StoredSession
from antiphon.store.tables import conversation_items, sessions


def session_columns(row: StoredSession) -> dict[str, Any]:
    """Return the columns of a session."""
    return {
        "tenant_id": row.tenant,
        "session_id": row.session_id,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "model": row.model,
    }


def item_columns(row: StoredItem) -> dict[str, Any]:
    """Return the columns of an item. Raises `UnicodeDecodeError` when its content is no text."""
    return {
        "tenant_id": row.tenant,
        "session_id": row.session_id,
        "item_id": row.item_id,
        "position": row.position,
        "revision": row.revision,
        "content": row.content.decode(),
        "created_at": row.created_at,
        "deleted": row.deleted,
    }


def select_items(tenant: str, session_id: str, limit: int, before: int | None) -> sa.Select[Any]:
    """Return the query of the newest items that are not deleted, newest first."""
    table = conversation_items.c
    query = sa.select(conversation_items).where(
        table.tenant_id == tenant, table.session_id == session_id, table.deleted.is_(False)
    )
    if before is not None:
        query = query.where(table.position < before)
    return query.order_by(table.position.desc(), table.item_id.desc()).limit(limit)


def select_sessions(tenant: str, limit: int) -> sa.Select[Any]:
    """Return the query of the newest sessions, newest first."""
    table = sessions.c
    query = sa.select(sessions).where(table.tenant_id == tenant)
    return query.order_by(table.started_at.desc(), table.session_id.desc()).limit(limit)


def to_item(row: sa.Row[Any]) -> StoredItem:
    """Return the item of a database row."""
    return StoredItem(
        tenant=row.tenant_id,
        session_id=row.session_id,
        item_id=row.item_id,
        position=row.position,
        revision=row.revision,
        content=row.content.encode(),
        created_at=row.created_at,
        deleted=row.deleted,
    )


def to_session(row: sa.Row[Any]) -> StoredSession:
    """Return the session of a database row."""
    return StoredSession(
        session_id=row.session_id,
        tenant=row.tenant_id,
        started_at=row.started_at,
        model=row.model,
        ended_at=row.ended_at,
    )
