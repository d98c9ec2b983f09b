"""Conversation items: the one table of the releases before migrations, whose files are taken over as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from antiphon.store.migrations.scripts import run_script

revision = "0001"
down_revision = None

JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")


def upgrade() -> None:
    """Create the table, unless an earlier release has."""
    op.create_table(
        "conversation_items",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("content", JSON_TEXT, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        if_not_exists=True,
        postgresql_partition_by="HASH (tenant_id)",
    )
    op.create_index(
        "conversation_items_by_position",
        "conversation_items",
        ["tenant_id", "session_id", "position"],
        if_not_exists=True,
        postgresql_include=["item_id", "deleted"],
    )
    if op.get_bind().dialect.name == "postgresql":
        run_script("0001_up.sql")


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("conversation_items")
