"""Conversion between items of the port and rows of the tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from antiphon.entities.history import StoredItem
from antiphon.store.tables import conversation_items

_NO_CONTENT = "null"
"""Content of a deleted item."""


def upsert_items(dialect: str) -> sa.Executable:
    """Return the statement that writes an item unless a newer revision of it is there."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(conversation_items)
    new = statement.excluded
    keys = list(conversation_items.primary_key.columns)
    fields = [column.name for column in conversation_items.columns if column not in set(keys)]
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: new[name] for name in fields},
        where=new.revision > conversation_items.c.revision,
    )


def item_columns(row: StoredItem) -> dict[str, Any]:
    """Return the columns of an item. Raises `UnicodeDecodeError` when its content is not UTF-8."""
    return {
        "tenant_id": row.tenant,
        "session_id": row.session_id,
        "item_id": row.item_id,
        "position": row.position,
        "revision": row.revision,
        "content": _NO_CONTENT if row.deleted else row.content.decode(),
        "created_at": row.created_at,
        "deleted": row.deleted,
        "interrupted": row.interrupted,
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


def to_item(row: sa.Row[Any]) -> StoredItem:
    """Return the item of a database row."""
    return StoredItem(
        tenant=row.tenant_id,
        session_id=row.session_id,
        item_id=row.item_id,
        position=row.position,
        revision=row.revision,
        content=b"" if row.deleted else row.content.encode(),
        created_at=row.created_at,
        deleted=row.deleted,
        interrupted=row.interrupted,
    )
