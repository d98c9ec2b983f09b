"""The revision of a database's schema, read without loading Alembic."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from antiphon.errors import ProviderUnavailable

HEAD = "0005"
"""The newest revision; that of the last file in ``migrations/versions``."""
KNOWN = ("", "0001", "0002", "0003", "0004", HEAD)
"""All revisions, oldest first; a database without one is empty, or a file of a release before migrations."""
_FORMER_VERSION = 1
"""``user_version`` of the SQLite files of those releases. It stays: they also open a file that was migrated."""


def revision_of(connection: Connection) -> str:
    """Return the revision; empty before the first migration, and for a file of an unknown kind its version."""
    if sa.inspect(connection).has_table("alembic_version"):
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or ""
    if connection.dialect.name == "sqlite":
        version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        return f"version {version}" if version > _FORMER_VERSION else ""
    return ""


def newer(found: str) -> ProviderUnavailable | None:
    """Return the error for the schema of a newer release, or None."""
    if found in KNOWN:
        return None
    message = f"the database was written by a newer release (schema {found}, this one knows {HEAD})"
    return ProviderUnavailable(message, code="store_too_new")
