"""Conversion between the entities of the port and rows of the tables, and the statements that write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from antiphon.entities.events import Event, PendingEvent
from antiphon.entities.history import (
    StoredItem,
    StoredSession,
    Unit,
    storable,
)
from antiphon.store.tables import conversation_items, function_calls, outbox_events, sessions, usage_records

_NO_CONTENT = "null"
"""Content of a deleted item."""
_NO_CONFIG = "{}"
"""Configuration of a session whose state does not know it."""

E = TypeVar("E")

_Insert = postgresql.Insert | sqlite.Insert


@dataclass(frozen=True, slots=True)
class _RowKind:
    """One kind of rows: where they are in a unit, and how they are written."""

    rows: Callable[[Unit], Sequence[Any]]
    order: Callable[[Any], Any]
    """Rows are written in one order: concurrent writers of the same rows must not wait for each other in a circle."""
    columns: Callable[[Any], dict[str, Any]]
    upsert: Callable[[Callable[[sa.Table], _Insert]], _Insert]


class RowWriter:
    """The statements that write units to one kind of database."""

    def __init__(self, dialect: str) -> None:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        self._statements = [(kind, kind.upsert(insert)) for kind in _KINDS]

    def writes(self, units: Sequence[Unit]) -> Iterator[tuple[str, _Insert, list[dict[str, Any]]]]:
        """Yield tenants, statements and their parameters, each tenant's together.

        Raises `UnicodeDecodeError` when a content is not UTF-8.
        """
        found: list[tuple[str, int, _Insert, list[dict[str, Any]]]] = []
        for number, (kind, statement) in enumerate(self._statements):
            rows = sorted(chain.from_iterable(map(kind.rows, units)), key=kind.order)
            for tenant, own in groupby(rows, key=attrgetter("tenant")):
                found.append((tenant, number, statement, [kind.columns(row) for row in own]))
        for tenant, _, statement, parameters in sorted(found, key=lambda one: one[:2]):
            yield tenant, statement, parameters


def _upsert_items(insert: Callable[[sa.Table], _Insert]) -> _Insert:
    """Return the statement that writes an item unless a newer revision of it is there."""
    statement = insert(conversation_items)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(conversation_items.primary_key.columns),
        set_={column.name: new[column.name] for column in _fields(conversation_items)},
        where=new.revision > conversation_items.c.revision,
    )


def _upsert_sessions(insert: Callable[[sa.Table], _Insert]) -> _Insert:
    """Return the statement that merges a state of a session with the stored one."""
    statement = insert(sessions)
    new, old = statement.excluded, sessions.c
    is_newer = new.revision > old.revision
    changes: dict[str, Any] = {name: sa.case((is_newer, new[name]), else_=old[name]) for name in _STATE}
    for name in ("key_id", "model", "conversation_id", "config"):
        nothing = _NO_CONFIG if name == "config" else ""
        is_known = sa.cast(new[name], sa.Text) != nothing
        # an older state that comes later still tells what a newer one did not know
        wins = sa.or_(sa.and_(is_newer, is_known), sa.cast(old[name], sa.Text) == nothing)
        changes[name] = sa.case((wins, new[name]), else_=old[name])
    began = sa.case((new.created_at < old.created_at, new.created_at), else_=old.created_at)
    return statement.on_conflict_do_update(
        index_elements=list(sessions.primary_key.columns), set_={**changes, "created_at": began}
    )


_STATE = ("project_id", "kind", "status", "closed_at", "revision")
"""Columns of a session that its newest state sets."""


def _upsert_calls(insert: Callable[[sa.Table], _Insert]) -> _Insert:
    """Return the statement that merges a half of a function call with the stored one."""
    statement = insert(function_calls)
    new, old = statement.excluded, function_calls.c
    halves = {
        "revision": ("call_id", "name", "arguments", "status", "created_at", "revision"),
        "output_revision": ("output", "completed_at", "output_revision"),
    }
    changes = {
        name: sa.case((new[revision] > old[revision], new[name]), else_=old[name])
        for revision, names in halves.items()
        for name in names
    }
    return statement.on_conflict_do_update(index_elements=list(function_calls.primary_key.columns), set_=changes)


def _insert_once(table: sa.Table, *keys: str) -> Callable[[Callable[[sa.Table], _Insert]], _Insert]:
    """Return what makes the statement that leaves a row of the same key as it is."""

    def upsert(insert: Callable[[sa.Table], _Insert]) -> _Insert:
        return insert(table).on_conflict_do_nothing(index_elements=list(keys))

    return upsert


def _fields(table: sa.Table) -> list[sa.Column[Any]]:
    keys = set(table.primary_key.columns)
    return [column for column in table.columns if column not in keys]


def _columns(row: Any) -> dict[str, Any]:
    """Return the columns of an entity: its fields under their names, documents as text."""
    found: dict[str, Any] = {"tenant_id": row.tenant}
    for name in _names(type(row)):
        value = getattr(row, name)
        if isinstance(value, bytes):
            value = value.decode()
        found[name] = storable(value) if isinstance(value, str) else value
    return found


def _item_columns(row: StoredItem) -> dict[str, Any]:
    return {**_columns(row), **({"content": _NO_CONTENT} if row.deleted else {})}


def _session_columns(row: StoredSession) -> dict[str, Any]:
    return {**_columns(row), "config": row.config.decode() or _NO_CONFIG}


@cache
def _names(entity: Any) -> tuple[str, ...]:
    """Return the fields of an entity but for its tenant: the column of that has another name."""
    return tuple(field.name for field in fields(entity) if field.name != "tenant")


def _entity(kind: Callable[..., E], row: sa.Row[Any], **documents: bytes) -> E:
    """Return the entity of a row; ``documents`` are its fields that are stored as text."""
    plain = {name: getattr(row, name) for name in _names(kind) if name not in documents}
    return kind(tenant=row.tenant_id, **plain, **documents)


_KINDS = (
    _RowKind(
        attrgetter("sessions"), attrgetter("tenant", "session_id", "revision"), _session_columns, _upsert_sessions
    ),
    _RowKind(
        attrgetter("items"), attrgetter("tenant", "session_id", "item_id", "revision"), _item_columns, _upsert_items
    ),
    _RowKind(attrgetter("calls"), attrgetter("tenant", "session_id", "item_id", "revision"), _columns, _upsert_calls),
    _RowKind(
        attrgetter("usage"),
        attrgetter("tenant", "record_id"),
        _columns,
        _insert_once(usage_records, "tenant_id", "record_id"),
    ),
    _RowKind(
        attrgetter("events"),
        attrgetter("tenant", "session_id", "session_sequence", "event_id"),
        _columns,
        _insert_once(outbox_events, "event_id"),
    ),
)


def to_item(row: sa.Row[Any]) -> StoredItem:
    """Return the item of a database row."""
    return _entity(StoredItem, row, content=b"" if row.deleted else row.content.encode())


def to_session(row: sa.Row[Any]) -> StoredSession:
    """Return the session of a database row."""
    return _entity(StoredSession, row, config=b"" if row.config == _NO_CONFIG else row.config.encode())


def to_pending_event(row: sa.Row[Any]) -> PendingEvent:
    """Return the event of a row of the outbox."""
    return PendingEvent(row.id, _entity(Event, row, payload=row.payload.encode()), row.attempts)
