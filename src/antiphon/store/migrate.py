"""Migrates a database, forwards and backwards, with Alembic.

All migrations of one call are one transaction under a lock. Of processes that start together, one migrates.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from antiphon.errors import InvalidRequest
from antiphon.store.schema import HEAD, KNOWN, newer, revision_of

_LOCK = 0x616E7469
"""Key of the advisory lock of PostgreSQL."""


def upgrade(connection: Connection, revision: str = HEAD) -> None:
    """Migrate forwards, inside the connection's transaction.

    Raises `ProviderUnavailable` for a schema of a newer release, `InvalidRequest` for an unknown revision.
    """
    _migrate(connection, command.upgrade, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Migrate backwards to ``revision`` or ``base``. Rows of tables that go are lost. Raises like `upgrade`."""
    _migrate(connection, command.downgrade, revision)


def _migrate(connection: Connection, direction: Callable[[Config, str], None], revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if (error := newer(revision_of(connection))) is not None:
        raise error
    if revision not in (*KNOWN[1:], "head", "base"):
        message = f"there is no revision '{revision}': base, {', '.join(KNOWN[1:])}"
        raise InvalidRequest(message, param="revision", code="unknown_revision")
    config = Config()
    config.set_main_option("script_location", str(files("antiphon.store.migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        direction(config, revision)
    except CommandError as error:  # such as a revision on the other side of the present one
        raise InvalidRequest(f"revision '{revision}': {error}", param="revision", code="unknown_revision") from error
