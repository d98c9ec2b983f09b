"""The queries of the history: pages of items and of sessions, by a key that orders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from antiphon.ports.store import ItemPlace, SessionPlace
from antiphon.store.tables import conversation_items, sessions


def select_items(
    tenant: str, session_id: str, limit: int, beyond: ItemPlace | None, *, oldest_first: bool
) -> sa.Select[Any]:
    """Return the query of a page of a session's items that are not deleted."""
    table = conversation_items.c
    query = sa.select(conversation_items).where(
        table.tenant_id == tenant, table.session_id == session_id, table.deleted.is_(False)
    )
    return page(query, (table.position, table.item_id), limit, beyond, oldest_first=oldest_first)


def select_item_place(tenant: str, session_id: str, item_id: str) -> sa.Select[Any, Any]:
    """Return the query of an item's place."""
    table = conversation_items.c
    return sa.select(table.position, table.item_id).where(
        table.tenant_id == tenant, table.session_id == session_id, table.item_id == item_id
    )


def select_session(tenant: str, session_id: str) -> sa.Select[Any]:
    """Return the query of a session."""
    return sa.select(sessions).where(sessions.c.tenant_id == tenant, sessions.c.session_id == session_id)


def select_sessions(
    tenant: str,
    limit: int,
    beyond: SessionPlace | None,
    *,
    oldest_first: bool,
    since: float | None,
    until: float | None,
    kind: str | None,
) -> sa.Select[Any]:
    """Return the query of a page of a tenant's sessions."""
    table = sessions.c
    query = sa.select(sessions).where(table.tenant_id == tenant)
    if since is not None:
        query = query.where(table.created_at >= since)
    if until is not None:
        query = query.where(table.created_at < until)
    if kind is not None:
        query = query.where(table.kind == kind)
    return page(query, (table.created_at, table.session_id), limit, beyond, oldest_first=oldest_first)


def page(
    query: sa.Select[Any],
    order: Sequence[sa.ColumnElement[Any]],
    limit: int,
    beyond: Sequence[Any] | None,
    *,
    oldest_first: bool,
) -> sa.Select[Any]:
    """Return the query of the page of ``query`` that follows the row with the key ``beyond``."""
    if beyond is not None:
        place, here = sa.tuple_(*order), sa.tuple_(*(sa.literal(value) for value in beyond))
        query = query.where(place > here if oldest_first else place < here)
    return query.order_by(*order if oldest_first else (column.desc() for column in order)).limit(limit)
