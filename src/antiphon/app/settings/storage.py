"""Data directory and database."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr

from antiphon.ports.settings import Section


def default_data_dir() -> Path:
    """Return ``$XDG_DATA_HOME/antiphon``, by default ``~/.local/share/antiphon``."""
    root = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(root).expanduser() / "antiphon"


class StorageSettings(Section):
    """Files and database."""

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Directory for weights, database and certificates."
    )
    offline: bool = Field(default=False, description="True forbids all downloads.")
    database_url: str = Field(
        default="",
        description="`sqlite:///PATH` or `postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE`; unset: `antiphon.db` in the "
        "data directory.",
    )
    database_owner_url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL URL of the role that owns the tables, for `antiphon db` and "
        "`ANTIPHON_DATABASE_MIGRATE`.",
    )
    database_jobs_url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL URL of the role `antiphon_jobs`, with which processes of the role `persist` remove old "
        "rows.",
    )
    database_retention_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="How many days the rows of tenants without a `retention_days` of their own are kept; 0: for ever.",
    )
    database_migrate: bool = Field(
        default=False,
        description="True migrates PostgreSQL at the start, as `antiphon db upgrade` does. SQLite is always migrated.",
    )
    database_timeout_s: float = Field(
        default=10,
        gt=0,
        le=3_600,
        description="Timeout of one statement of PostgreSQL, seconds; beyond it, it is unavailable.",
    )
