"""The long-term memories in one database: compared by pgvector where it is there, else in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import Clock
from antiphon.entities.history import storable
from antiphon.entities.memories import Category, Found, Memory, Profile
from antiphon.ports.memories import Vector
from antiphon.store.erasure import exclude_erasures, note_erasure
from antiphon.store.memory_rows import (
    COLUMNS,
    MARK_POSTGRESQL,
    MARK_SQLITE,
    TYPE_OF_VECTORS,
    HalfVector,
    half_vector,
    of_user,
    select_profile,
    to_memory,
    to_profile,
    to_row,
    writing,
)
from antiphon.store.sql import SqlStore
from antiphon.store.tables import ltm_embeddings
from antiphon.store.vectors import Numbers, UserVectors, VectorCache, literal, unit

_CACHE_BYTES = 256 * 2**20
_READ = 5_000
"""Maximum number of vectors that one statement reads."""
_EXACT = 20_000
"""Up to this number of a user's memories all are compared; beyond it the index finds nearly all of the nearest."""
_row = ltm_embeddings.c

Stored = tuple[str, str, bytes]
"""A vector as it is stored, after its name and its category."""


class SqlMemories:
    """`Memories` over an open store; on PostgreSQL that of the role ``antiphon_app``."""

    def __init__(self, store: SqlStore, clock: Clock, *, cache_bytes: int = _CACHE_BYTES) -> None:
        """``cache_bytes`` limits the vectors that are kept for users who search again, without pgvector."""
        self._store = store
        self._clock = clock
        self._cache = VectorCache(cache_bytes)
        self._loading: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        """Of searches of one user at once, one reads the vectors."""
        self._has_pgvector: bool | None = None

    async def write(self, memories: Sequence[tuple[Memory, Vector]]) -> None:
        """Store memories, each tenant's in one transaction."""
        ordered = sorted(memories, key=lambda one: (one[0].tenant, one[0].user_id, one[0].memory_id))
        for tenant, own in groupby(ordered, key=lambda one: one[0].tenant):
            await self._write(tenant, list(own))

    async def _write(self, tenant: str, memories: Sequence[tuple[Memory, Vector]]) -> None:
        async def work(connection: AsyncConnection) -> None:
            has_pgvector = await self._compares(connection)
            rows = [to_row(memory, vector, has_pgvector=has_pgvector) for memory, vector in memories]
            # writers of the same rows must not wait for each other in a circle
            rows.sort(key=lambda row: (row["user_id"], row["content_hash"]))
            await exclude_erasures(connection, storable(tenant))
            await connection.execute(writing(connection.dialect.name, has_pgvector=has_pgvector), rows)

        await self._store.transact_as(storable(tenant), work)

    async def search(
        self,
        tenant: str,
        user_id: str,
        vector: Vector,
        *,
        limit: int = 5,
        threshold: float = 0.7,
        category: Category | None = None,
    ) -> list[Found]:
        """Return the most similar memories of a user, the most similar first."""
        wanted = unit(vector)
        if limit < 1 or not wanted.any():
            return []
        has_pgvector = self._has_pgvector
        if has_pgvector is None:
            has_pgvector = await self._store.transact_as(storable(tenant), self._compares)
        if has_pgvector:
            found = await self._by_pgvector(tenant, user_id, wanted, limit, category)
        else:
            found = await self._here(tenant, user_id, wanted, limit, threshold, category)
        kept = [one for one in found if one.score >= threshold]
        return sorted(kept, key=lambda one: (-one.score, one.memory.memory_id))

    async def profile(self, tenant: str, user_id: str) -> Profile:
        """Return what is known about a user."""
        return to_profile(await self._store.fetch(storable(tenant), select_profile(tenant, user_id)))

    async def erase_user(self, tenant: str, user_id: str) -> int:
        """Remove all memories of a user, and note that."""

        async def work(connection: AsyncConnection) -> int:
            await note_erasure(connection, storable(tenant), "user", storable(user_id), self._clock)
            removed = await connection.execute(sa.delete(ltm_embeddings).where(of_user(tenant, user_id)))
            return removed.rowcount

        number = await self._store.transact_as(storable(tenant), work)
        self._cache.forget((storable(tenant), storable(user_id)))
        return number

    # -- by pgvector -----------------------------------------------------------------------------------------------
    async def _compares(self, connection: AsyncConnection) -> bool:
        """Say whether the database compares vectors itself; that changes with migrations only."""
        found = self._has_pgvector
        if found is None:
            is_postgresql = connection.dialect.name == "postgresql"
            found = is_postgresql and (await connection.execute(TYPE_OF_VECTORS)).scalar() == "halfvec"
            self._has_pgvector = found
        return found

    async def _by_pgvector(
        self, tenant: str, user_id: str, vector: Numbers, limit: int, category: Category | None
    ) -> list[Found]:
        own = of_user(tenant, user_id)
        distance = sa.type_coerce(_row.embedding, HalfVector()).op("<=>", return_type=sa.Double())(
            half_vector("vector")
        )
        query = sa.select(*COLUMNS, distance.label("distance")).where(own)
        if category is not None:
            query = query.where(_row.category == category)
        few = sa.select(sa.literal(1)).where(own).limit(_EXACT + 1).subquery()

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            number = (await connection.execute(sa.select(sa.func.count()).select_from(few))).scalar_one()
            if number > _EXACT:
                await connection.execute(sa.text("SET LOCAL hnsw.iterative_scan = 'strict_order'"))
                ordered = query.order_by(distance)
            else:  # an expression that the index, which misses some, does not have
                ordered = query.order_by(distance + sa.literal_column("0"), _row.memory_id)
            return (await connection.execute(ordered.limit(limit), {"vector": literal(vector)})).all()

        rows = await self._store.transact_as(storable(tenant), work)
        return [Found(to_memory(row), _similarity(1.0 - row.distance)) for row in rows]

    # -- in this process -------------------------------------------------------------------------------------------
    async def _here(
        self, tenant: str, user_id: str, vector: Numbers, limit: int, threshold: float, category: Category | None
    ) -> list[Found]:
        vectors = await self._current(tenant, user_id)
        scores = dict(await asyncio.to_thread(vectors.similar, vector, limit, threshold, category))
        rows = await self._store.fetch(
            storable(tenant),
            sa.select(*COLUMNS).where(of_user(tenant, user_id), _row.content_hash.in_([_hash(key) for key in scores])),
        )
        found = {_key(row): to_memory(row) for row in rows}  # meanwhile one may have been removed
        return [Found(found[key], _similarity(score)) for key, score in scores.items() if key in found]

    async def _current(self, tenant: str, user_id: str) -> UserVectors:
        """Return the vectors of a user as the database has them, and read only those that are new."""
        key = (storable(tenant), storable(user_id))
        async with self._loading.setdefault(key, asyncio.Lock()):
            known = self._cache.get(key)
            mark = await self._mark(*key)
            if known.mark == mark:
                return known
            present, added = await (self._difference(*key, known) if known.names else self._everything(*key))
            known = await asyncio.to_thread(known.changed, mark, present, added)
            self._cache.put(key, known)
            return known

    async def _difference(self, tenant: str, user_id: str, known: UserVectors) -> tuple[list[str], list[Stored]]:
        """Return the names of all vectors of a user, and those that are not ``known``."""
        keys = sa.select(_row.content_hash, _row.created_at).where(of_user(tenant, user_id))
        present = [_key(row) for row in await self._store.fetch(storable(tenant), keys)]
        missing = [_hash(one) for one in sorted(set(present).difference(known.names))]
        added: list[Stored] = []
        for start in range(0, len(missing), _READ):
            hashes = missing[start : start + _READ]
            added += await self._vectors(tenant, user_id, _row.content_hash.in_(hashes))
        return present, added

    async def _everything(self, tenant: str, user_id: str) -> tuple[list[str], list[Stored]]:
        """Return the names of all vectors of a user, and these."""
        added: list[Stored] = []
        while page := await self._vectors(tenant, user_id, _row.content_hash > (_hash(added[-1][0]) if added else "")):
            added += page
        return [name for name, _, _ in added], added

    async def _mark(self, tenant: str, user_id: str) -> tuple[Any, ...]:
        async def work(connection: AsyncConnection) -> tuple[Any, ...]:
            query = MARK_POSTGRESQL if connection.dialect.name == "postgresql" else MARK_SQLITE
            return tuple((await connection.execute(query, {"tenant": tenant, "user": user_id})).one())

        return await self._store.transact_as(tenant, work)

    async def _vectors(self, tenant: str, user_id: str, chosen: sa.ColumnElement[bool]) -> list[Stored]:
        """Return the next ``_READ`` of the chosen vectors."""
        query = sa.select(_row.content_hash, _row.created_at, _row.category, _row.embedding)
        query = query.where(of_user(tenant, user_id), chosen).order_by(_row.content_hash).limit(_READ)
        return [(_key(row), row.category, row.embedding) for row in await self._store.fetch(storable(tenant), query)]


def _key(row: sa.Row[Any]) -> str:
    """Return what names a vector: the same content may come again after its erasure, in another category."""
    return f"{row.content_hash} {row.created_at!r}"


def _hash(key: str) -> str:
    return key.partition(" ")[0]


def _similarity(score: float) -> float:
    """Return a cosine without the errors of rounding beyond its range; what is not a number stays so."""
    return max(min(score, 1.0), -1.0)
