"""Function calls by their item: language models give the same call id to several calls of one session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from antiphon.store.migrations.scripts import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table anew: nothing has written rows of the former one."""
    op.drop_table("function_calls")
    _create("item_id", "call_id", sa.Column("output_revision", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Create the former table; its rows are lost."""
    op.drop_table("function_calls")
    _create("call_id", "item_id")


def _create(key: str, other: str, *more: sa.Column[int]) -> None:
    op.create_table(
        "function_calls",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column(key, sa.Text, primary_key=True),
        _text(other),
        _text("name"),
        _text("arguments"),
        sa.Column("output", sa.Text),
        _text("status", "completed"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("completed_at", sa.Double),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
        *more,
    )
    if op.get_bind().dialect.name == "postgresql":
        run_script("0003_function_calls.sql")


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)
