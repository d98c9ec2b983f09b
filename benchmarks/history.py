"""The history with a million items in the database: asking for it, writing it, opening it.

Each figure is told for SQLite and for PostgreSQL (without fsync: the disk is not what is measured). Beside a request
over HTTP stands a bare query for the same rows by the driver, beside rows that are written behind the same rows in bare
transactions, beside opening the store a bare connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvloop

from antiphon.entities.history import StoredItem, Unit
from antiphon.store.opening import make_store
from antiphon.store.rows import RowWriter
from antiphon.store.writer import StoreWriter
from benchmarks.figures import ROUNDS, Figure, best, tell
from tests.postgres import migrated, postgres
from tests.serving import serving

ITEMS, PER_SESSION, PAGE, BATCH = 1_000_000, 1_000, 100, 500
_CONTENT = '{"type":"message","role":"user","content":[{"type":"input_text","text":"' + "so it was said " * 8 + '"}]}'
_SESSIONS = """
INSERT INTO sessions (tenant_id, session_id, created_at, closed_at, status, revision)
SELECT 'default', 'sess_' || n, 1e9 + n, 1e9 + n + 60, 'disconnected', 1 FROM numbers
"""
_ROWS = """
INSERT INTO conversation_items
  (tenant_id, session_id, item_id, position, revision, content, created_at, deleted, interrupted)
SELECT 'default', 'sess_' || (n / {per}), 'item_' || n, n, 1, '{content}', 1e9 + n, false, false FROM numbers
"""
_NUMBERS = {
    "SQLite": "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})",
    "PostgreSQL": "WITH numbers(n) AS (SELECT generate_series(0, {last}))",
}
_NEWEST = """
SELECT item_id, position, content FROM conversation_items
WHERE tenant_id = 'default' AND session_id = {session} AND NOT deleted ORDER BY position DESC LIMIT {page}
"""
Query = Callable[[str], Awaitable[int]]
"""Reads the newest items of a session by the driver, and returns how many."""


@dataclass
class Place:
    """A database with a million items."""

    name: str
    url: str
    bare: Callable[[], Any]
    """Opens a connection of the driver: an async context manager of a `Query`, and of a function that inserts rows."""


def run(short: bool) -> list[Figure]:
    """Measure both databases."""
    return uvloop.run(_run(50 if short else 500, 5_000 if short else 50_000))


async def _run(requests: int, rows: int) -> list[Figure]:
    figures: list[Figure] = []
    async with _sqlite() as place:
        figures += await _measured(place, requests, rows)
    async with _postgresql() as place:
        figures += await _measured(place, requests, rows)
    return figures


async def _measured(place: Place, requests: int, rows: int) -> list[Figure]:
    return [*await _asking(place, requests), *await _writing(place, rows), *await _opening(place)]


# -- asking ----------------------------------------------------------------------------------------------------------
async def _asking(place: Place, requests: int) -> list[Figure]:
    chance = random.Random(1)
    items: list[list[float]] = []
    deep: list[list[float]] = []
    sessions: list[list[float]] = []
    bare: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(Path(folder), database_url=place.url) as served,
            httpx.AsyncClient(base_url=served.url) as http,
            place.bare() as (query, _),
        ):
            for _ in range(ROUNDS):
                for times in (items, deep, sessions, bare):
                    times.append([])
                for _ in range(requests):
                    number = chance.randrange(ITEMS // PER_SESSION)
                    session = f"sess_{number}"
                    middle = f"item_{number * PER_SESSION + PER_SESSION // 2}"
                    items[-1].append(await _timed(_page(http, f"/v1/sessions/{session}/items")))
                    deep[-1].append(await _timed(_page(http, f"/v1/sessions/{session}/items?after={middle}")))
                    sessions[-1].append(await _timed(_page(http, f"/v1/sessions?after={session}", least=0)))
                    bare[-1].append(await _timed(query(session)))
    figures: list[Figure] = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        floor = best(bare, share)
        for what, times in (("newest items", items), ("items from the middle", deep), ("sessions", sessions)):
            text = f"{place.name}, {ITEMS:,} items: a page of {PAGE} {what}, {name}"
            figures.append(Figure("", text, best(times, share), "ms", 100, floor, "bare query of the newest"))
    return figures


async def _page(http: httpx.AsyncClient, path: str, least: int = PAGE) -> None:
    response = await http.get(path)
    assert response.status_code == 200, response.text
    assert len(response.json()["data"]) >= least


async def _timed(work: Awaitable[Any]) -> float:
    begin = time.perf_counter()
    await work
    return (time.perf_counter() - begin) * 1000


# -- writing ---------------------------------------------------------------------------------------------------------
async def _writing(place: Place, rows: int) -> list[Figure]:
    store = make_store(place.url, Path())
    await store.start()
    writer = StoreWriter(store, flush_s=0.0)
    running = asyncio.create_task(writer.run())
    rates: list[float] = []
    floors: list[float] = []
    async with place.bare() as (_, insert):
        for number in range(ROUNDS):
            item = StoredItem("default", f"new_{number}", "", 0, 1, _CONTENT.encode(), 1.0)
            units = [Unit(items=(replace(item, item_id=f"item_{at}", position=at),)) for at in range(rows)]
            begin = time.perf_counter()
            for at in range(0, rows, BATCH):
                await writer.write(units[at : at + BATCH])
            rates.append(rows / (time.perf_counter() - begin))
            bare = [replace(unit.items[0], session_id=f"bare_{number}") for unit in units]
            begin = time.perf_counter()
            for at in range(0, rows, BATCH):
                await insert(bare[at : at + BATCH])
            floors.append(rows / (time.perf_counter() - begin))
    running.cancel()
    await store.close()
    what = f"{place.name}: items written behind, {BATCH} a transaction"
    return [Figure("", what, max(rates), "rows/s", None, max(floors), "bare transactions", more=True)]


# -- opening ---------------------------------------------------------------------------------------------------------
async def _opening(place: Place) -> list[Figure]:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(5 * ROUNDS):
        begin = time.perf_counter()
        store = make_store(place.url, Path())
        await store.start()
        await store.check()
        ours.append((time.perf_counter() - begin) * 1000)
        await store.close()
        begin = time.perf_counter()
        async with place.bare() as (query, _):
            await query("nobody")
            bare.append((time.perf_counter() - begin) * 1000)
    what = f"{place.name}: opening the store and a first query"
    return [Figure("", what, min(ours), "ms", None, min(bare), "bare connection and query")]


# -- the databases ---------------------------------------------------------------------------------------------------
@asynccontextmanager
async def _sqlite() -> AsyncGenerator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/antiphon.db"
        store = make_store(url, Path(folder))
        await store.start()
        await store.close()
        with contextlib.closing(sqlite3.connect(f"{folder}/antiphon.db")) as connection, connection:
            for statement in _filling("SQLite"):
                connection.execute(statement)

        @asynccontextmanager
        async def bare() -> AsyncGenerator[tuple[Query, Any]]:
            with contextlib.closing(sqlite3.connect(f"{folder}/antiphon.db", isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")

                async def query(session: str) -> int:
                    return len(connection.execute(_NEWEST.format(session="?", page=PAGE), (session,)).fetchall())

                async def insert(rows: list[StoredItem]) -> None:
                    names, values = _columns(rows)
                    connection.execute("BEGIN")
                    marks = ", ".join("?" for _ in names)
                    connection.executemany(
                        f"INSERT INTO conversation_items ({', '.join(names)}) VALUES ({marks})", values
                    )
                    connection.execute("COMMIT")

                yield query, insert

        yield Place("SQLite", url, bare)


@asynccontextmanager
async def _postgresql() -> AsyncGenerator[Place]:
    with postgres() as server:
        database = await migrated(server.url())
        connection = await asyncpg.connect(database.url("postgres"))
        for statement in _filling("PostgreSQL"):
            await connection.execute(statement)
        await connection.execute("ANALYZE")
        await connection.close()

        @asynccontextmanager
        async def bare() -> AsyncGenerator[tuple[Query, Any]]:
            connection = await asyncpg.connect(database.url("antiphon_app"))

            async def query(session: str) -> int:
                async with connection.transaction():
                    await connection.execute("SELECT set_config('antiphon.tenant', 'default', true)")
                    return len(await connection.fetch(_NEWEST.format(session="$1", page=PAGE), session))

            async def insert(rows: list[StoredItem]) -> None:
                names, values = _columns(rows)
                marks = ", ".join(f"${at}" for at in range(1, len(names) + 1))
                async with connection.transaction():
                    await connection.execute("SELECT set_config('antiphon.tenant', 'default', true)")
                    await connection.executemany(
                        f"INSERT INTO conversation_items ({', '.join(names)}) VALUES ({marks})", values
                    )

            yield query, insert
            await connection.close()

        yield Place("PostgreSQL", database.url("antiphon_app"), bare)


def _filling(name: str) -> list[str]:
    numbers = _NUMBERS[name]
    rows = _ROWS.format(per=PER_SESSION, content=_CONTENT)
    return [
        _statement(numbers.format(last=ITEMS // PER_SESSION - 1), _SESSIONS),
        _statement(numbers.format(last=ITEMS - 1), rows),
    ]


def _statement(numbers: str, insert: str) -> str:
    """Return an INSERT of a SELECT from ``numbers``: both databases take the WITH in front."""
    return f"{numbers} {insert}"


def _columns(rows: list[StoredItem]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return names and values of the columns, as the store writes them."""
    ((_, _, columns),) = RowWriter("sqlite").writes([Unit(items=tuple(rows))])
    return list(columns[0]), [tuple(one.values()) for one in columns]


if __name__ == "__main__":
    tell(run)
