"""``antiphon db``: the schema of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from cyclopts import App
from sqlalchemy import Connection

from antiphon.app.settings import load_settings
from antiphon.cli.screen import OUT
from antiphon.store.migrate import downgrade as take_back
from antiphon.store.migrate import upgrade as apply
from antiphon.store.opening import opened_by_owner
from antiphon.store.schema import HEAD

db = App(
    name="db",
    help="""Migrate the database: the one of ANTIPHON_DATABASE_OWNER_URL, else of ANTIPHON_DATABASE_URL.

Example: antiphon db upgrade
""",
)


@db.command
def upgrade(revision: str = HEAD) -> None:
    """Migrate the schema forwards. On PostgreSQL this creates the roles antiphon_app and antiphon_jobs.

    Example: antiphon db upgrade

    Parameters
    ----------
    revision
        The revision to migrate to.
    """
    _migrate(partial(apply, revision=revision))


@db.command
def downgrade(revision: str) -> None:
    """Migrate the schema backwards. The rows of the tables that it drops are lost.

    Example: antiphon db downgrade 0001

    Parameters
    ----------
    revision
        The revision to go back to; base for an empty database.
    """
    _migrate(partial(take_back, revision=revision))


@db.command
def current() -> None:
    """Print the revision of the schema, and the one that this release needs.

    Example: antiphon db current
    """
    _migrate(lambda _: None)


def _migrate(change: Callable[[Connection], None]) -> None:
    found = asyncio.run(_changed(change))
    OUT.print(f"schema {found or 'none'}; this release needs {HEAD}")


async def _changed(change: Callable[[Connection], None]) -> str:
    settings = load_settings()
    owner_url = settings.database_owner_url.get_secret_value()
    async with opened_by_owner(settings.database_url, owner_url, settings.data_dir) as store:
        await store.migrate(change)
        return await store.revision()
