"""Long-term memories and their vectors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from antiphon.store.migrations.scripts import run_script

revision = "0005"
down_revision = "0004"

JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")


def upgrade() -> None:
    """Add the table; with pgvector its vectors get a type and an index of their own."""
    op.create_table(
        "ltm_embeddings",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("memory_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False, server_default="0.8"),
        sa.Column("source", sa.Text, nullable=False, server_default=""),
        sa.Column("tags", JSON_TEXT, nullable=False, server_default="[]"),
        sa.Column("session_id", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.CheckConstraint(
            "category IN ('preference', 'personality', 'habit', 'history', 'context')", name="ltm_embeddings_category"
        ),
        sa.UniqueConstraint("tenant_id", "user_id", "content_hash", name="ltm_embeddings_content"),
    )
    op.create_index("ltm_embeddings_by_session", "ltm_embeddings", ["tenant_id", "session_id"])
    if op.get_bind().dialect.name == "postgresql":
        run_script("0005_memories.sql")


def downgrade() -> None:
    """Drop the table with all its rows; the extension stays, as others may use it."""
    op.drop_table("ltm_embeddings")
