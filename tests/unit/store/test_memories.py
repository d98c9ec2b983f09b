"""When vectors are read again, and how a large user is searched; `tests/conformance/test_memories.py` has the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import VirtualClock
from antiphon.entities.memories import DIMENSIONS, Memory
from antiphon.store import memories as module
from antiphon.store.memories import SqlMemories, Stored
from antiphon.store.postgres import PostgresStore
from antiphon.store.sqlite import SqliteStore
from tests.postgres import address, migrated

CHANCE = np.random.default_rng(1)
VECTORS = CHANCE.normal(size=(100, DIMENSIONS)).astype(np.float32)
VECTORS[:, 0] += 40


class Watched(SqlMemories):
    """Counts the vectors that it reads."""

    read = 0

    async def _vectors(self, tenant: str, user_id: str, chosen: sa.ColumnElement[bool]) -> list[Stored]:
        found = await super()._vectors(tenant, user_id, chosen)
        self.read += len(found)
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "rows.db")
    await made.start()
    yield made
    await made.close()


def memory(number: int) -> Memory:
    return Memory("t", f"m{number}", "u", str(number), "habit", 1.0, 1.0)


def more() -> list[tuple[int, Any]]:
    """Return numbers that are not written yet, with vectors."""
    return [(1000 + number, VECTORS[number]) for number in range(50)]


async def test_a_vector_is_read_once(store: SqliteStore) -> None:
    memories = Watched(store, VirtualClock())
    await memories.write([(memory(number), VECTORS[number]) for number in range(10)])
    for _ in range(3):
        assert len(await memories.search("t", "u", VECTORS[0], limit=100)) == 10
    assert memories.read == 10
    await memories.write([(memory(10), VECTORS[10])])
    assert len(await memories.search("t", "u", VECTORS[0], limit=100)) == 11
    assert memories.read == 11


async def test_many_vectors_are_read_in_parts(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ", 7)
    memories = Watched(store, VirtualClock())
    await memories.write([(memory(number), VECTORS[number]) for number in range(100)])
    assert len(await memories.search("t", "u", VECTORS[0], limit=1000)) == 100
    assert memories.read == 100
    other = SqlMemories(store, VirtualClock())
    await other.write([(memory(number), vector) for number, vector in more()])
    assert len(await memories.search("t", "u", VECTORS[0], limit=1000)) == 150
    assert memories.read == 150


async def test_a_large_user_is_searched_by_the_index_which_skips_rows_of_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXACT", 10)
    database = await migrated(postgres_url)
    store = PostgresStore(address(database.url("antiphon_app")))
    await store.start()
    memories = SqlMemories(store, VirtualClock())
    await memories.write([(memory(number), VECTORS[number]) for number in range(100)])
    expected = [one.memory for one in await memories.search("t", "u", VECTORS[0], limit=5)]
    scans: list[object] = []

    async def look(connection: AsyncConnection) -> None:
        await connection.execute(sa.text("SET LOCAL enable_sort = off"))
        vector = module.literal(VECTORS[0])
        rows = await connection.execute(
            sa.text(
                "EXPLAIN SELECT memory_id FROM ltm_embeddings WHERE tenant_id = 't' AND user_id = 'u'"
                f" ORDER BY embedding <=> '{vector}'::halfvec LIMIT 5"
            )
        )
        scans.extend(row[0] for row in rows)

    await store.transact_as("t", look)
    await store.close()
    assert expected[0] == memory(0)
    assert any("ltm_embeddings_by_vector" in str(line) for line in scans), scans
