"""The statements of long-term memories, and conversion between them and rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from antiphon.entities.history import storable
from antiphon.entities.memories import DIMENSIONS, Memory, Profile
from antiphon.ports.memories import Vector
from antiphon.store.tables import erasures, ltm_embeddings
from antiphon.store.vectors import literal, packed

_LISTED = 50
"""Maximum number of memories of one category in a profile."""
_row = ltm_embeddings.c

MARK_SQLITE = sa.text("""
SELECT number, last, memory_id, created_at
FROM (SELECT count(*) AS number, max(rowid) AS last FROM ltm_embeddings
      WHERE tenant_id = :tenant AND user_id = :user)
LEFT JOIN ltm_embeddings ON ltm_embeddings.rowid = last
""")
"""Differs whenever the rows of a user differ: a row gets the number of a removed one only if all later ones are gone.

The number of the last row is then that of another memory, or of the same one created after the erasure.
"""
MARK_POSTGRESQL = sa.text("""
SELECT count(*), sum(hashtextextended(content_hash || ' ' || created_at, 0) >> 16),
       (SELECT count(*) FROM erasures WHERE tenant_id = :tenant),
       (SELECT max(created_at) FROM erasures WHERE tenant_id = :tenant)
FROM ltm_embeddings WHERE tenant_id = :tenant AND user_id = :user
""")
TYPE_OF_VECTORS = sa.text("""
SELECT format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass('ltm_embeddings') AND attname = 'embedding'
""")


class HalfVector(sa.types.UserDefinedType[str]):
    """The type of vectors in half precision of pgvector."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return it as PostgreSQL writes it."""
        return f"halfvec({DIMENSIONS})"


def half_vector(name: str) -> sa.ColumnElement[Any]:
    """Return a parameter, a text, as a vector of pgvector."""
    return sa.cast(sa.bindparam(name, type_=sa.Text), HalfVector())


def writing(dialect: str, *, has_pgvector: bool) -> sa.Executable:
    """Return the statement that writes a memory unless it was erased, and confirms one that is there."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    greatest = sa.func.greatest if dialect == "postgresql" else sa.func.max
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in ltm_embeddings.columns}
    tenant, session, created = values["tenant_id"], values["session_id"], values["created_at"]
    erased = erasures.c
    is_erased = sa.exists().where(
        erased.tenant_id == tenant,
        sa.or_(
            sa.and_(erased.kind == "user", erased.subject == values["user_id"], erased.created_at >= created),
            sa.and_(erased.kind == "session", erased.subject == session, session != ""),
        ),
    )
    selected: dict[str, sa.ColumnElement[Any]] = {**values}
    if has_pgvector:
        selected["embedding"] = half_vector("embedding")
    statement = insert(ltm_embeddings).from_select(list(selected), sa.select(*selected.values()).where(~is_erased))
    return statement.on_conflict_do_update(
        index_elements=[_row.tenant_id, _row.user_id, _row.content_hash],
        set_={"updated_at": greatest(_row.updated_at, statement.excluded.updated_at)},
    )


def to_row(memory: Memory, vector: Vector, *, has_pgvector: bool) -> dict[str, Any]:
    """Return the columns of a memory. Raises `InvalidRequest`, and `UnicodeEncodeError` for half a character."""
    content = storable(memory.content)
    return {
        "tenant_id": storable(memory.tenant),
        "memory_id": storable(memory.memory_id),
        "user_id": storable(memory.user_id),
        "content": content,
        "content_hash": hashlib.sha256(content.encode()).hexdigest(),
        "category": memory.category,
        "embedding": literal(vector) if has_pgvector else packed(vector),
        "confidence": memory.confidence,
        "source": storable(memory.source),
        "tags": json.dumps([storable(tag) for tag in memory.tags]),
        "session_id": storable(memory.session_id),
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
    }


_SAME = (
    "memory_id",
    "user_id",
    "content",
    "category",
    "created_at",
    "updated_at",
    "confidence",
    "source",
    "session_id",
)
COLUMNS = (_row.tenant_id, _row.tags, _row.content_hash, *(_row[name] for name in _SAME))
"""All columns but the vector."""


def to_memory(row: sa.Row[Any]) -> Memory:
    """Return the memory of a row of `COLUMNS`."""
    same = {name: getattr(row, name) for name in _SAME}
    return Memory(tenant=row.tenant_id, tags=tuple(json.loads(row.tags)), **same)


def of_user(tenant: str, user_id: str) -> sa.ColumnElement[bool]:
    """Return the condition of a user's rows."""
    return sa.and_(_row.tenant_id == storable(tenant), _row.user_id == storable(user_id))


def select_profile(tenant: str, user_id: str) -> sa.Select[Any]:
    """Return the query of the newest contents of each category, and of the number and time of all."""
    newest = sa.func.row_number().over(partition_by=_row.category, order_by=(_row.updated_at.desc(), _row.memory_id))
    everything = sa.select(
        _row.category,
        _row.content,
        newest.label("place"),
        sa.func.count().over().label("number"),
        sa.func.max(_row.updated_at).over().label("last"),
    ).where(of_user(tenant, user_id))
    found = everything.subquery()
    return sa.select(found).where(found.c.place <= _LISTED).order_by(found.c.place)


def to_profile(rows: Sequence[sa.Row[Any]]) -> Profile:
    """Return the profile of the rows of `select_profile`."""

    def contents(category: str) -> tuple[str, ...]:
        return tuple(row.content for row in rows if row.category == category)

    return Profile(
        contents("preference"),
        contents("personality"),
        contents("habit"),
        contents("history"),
        rows[0].number if rows else 0,
        rows[0].last if rows else None,
    )
