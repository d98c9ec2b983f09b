"""Chooses the kind of database by its URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from antiphon.errors import InvalidRequest
from antiphon.store.postgres import TIMEOUT_S, PostgresStore
from antiphon.store.sqlite import SqliteStore

URL = "ANTIPHON_DATABASE_URL"
OWNER_URL = "ANTIPHON_DATABASE_OWNER_URL"
JOBS_URL = "ANTIPHON_DATABASE_JOBS_URL"
_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+asyncpg")
_FORMS = "sqlite:///PATH or postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE"


def make_store(url: str, data_dir: Path, *, timeout_s: float = TIMEOUT_S) -> SqliteStore | PostgresStore:
    """Return the store of ``url``, by default ``antiphon.db`` in ``data_dir``, not started. Raises `InvalidRequest`.

    ``timeout_s`` is that of a statement of PostgreSQL.
    """
    place = parse(url, URL) if url else data_dir / "antiphon.db"
    return SqliteStore(place) if isinstance(place, Path) else PostgresStore(place, timeout_s=timeout_s)


def upkeep_store(
    store: SqliteStore | PostgresStore, jobs_url: str, *, timeout_s: float = TIMEOUT_S
) -> SqliteStore | PostgresStore | None:
    """Return a store that sees all tenants: ``store`` itself if it is a file, else that of ``jobs_url``, not started.

    None for PostgreSQL without ``jobs_url``. ``timeout_s`` is that of a statement. Raises `InvalidRequest`.
    """
    if not jobs_url:
        return store if isinstance(store, SqliteStore) else None
    place = parse(jobs_url, JOBS_URL)
    if isinstance(store, SqliteStore) or isinstance(place, Path):
        raise _not_for_sqlite(JOBS_URL)
    return PostgresStore(place, role="antiphon_jobs", timeout_s=timeout_s)


@asynccontextmanager
async def opened_by_owner(
    url: str, owner_url: str, data_dir: Path, *, wait_s: float = 0.0
) -> AsyncGenerator[SqliteStore | PostgresStore]:
    """Open the database as it is, for migrations, as the role that owns its tables. Raises `InvalidRequest`.

    ``wait_s`` is how long to wait for a PostgreSQL that is away, seconds.
    """
    place = parse(owner_url, OWNER_URL) if owner_url else parse(url, URL) if url else data_dir / "antiphon.db"
    if not isinstance(place, Path) and not owner_url:
        raise InvalidRequest(f"{OWNER_URL} is not set: migrations run as the owner of the tables", param=OWNER_URL)
    if owner_url and isinstance(place, Path):
        raise _not_for_sqlite(OWNER_URL)
    store = SqliteStore(place) if isinstance(place, Path) else PostgresStore(place, role=None, start_s=wait_s)
    await store.open()
    try:
        if isinstance(store, PostgresStore):
            await store.wait_for_server()
        yield store
    finally:
        await store.close()


def parse(url: str, variable: str) -> Path | sa.URL:
    """Return the file of a SQLite URL, or the URL of a PostgreSQL database for asyncpg.

    Raises `InvalidRequest`, which names ``variable`` and never repeats the URL: it may contain a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme in _SQLITE and rest.startswith("/") and rest.strip("/"):
        return Path(rest[1:])
    if scheme in _POSTGRESQL:
        try:
            made = sa.make_url(url).set(drivername="postgresql+asyncpg")
        except (ArgumentError, ValueError):
            raise _refused(variable) from None  # the cause repeats a part of the URL
        if made.database:
            return made
    raise _refused(variable)


def _not_for_sqlite(variable: str) -> InvalidRequest:
    return InvalidRequest(f"{variable} is for PostgreSQL: SQLite needs {URL} only", param=variable)


def _refused(variable: str) -> InvalidRequest:
    return InvalidRequest(f"{variable} is not the URL of a database: {_FORMS}", param=variable)
