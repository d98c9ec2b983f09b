"""The log of each event of the outbox, events for analytics, and erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from antiphon.store.migrations.scripts import run_script

revision = "0004"
down_revision = "0003"

JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")
_LOG = "CASE WHEN lower(type) LIKE 'ltm%' THEN 'events.ltm' ELSE 'events.analytics' END"


def upgrade() -> None:
    """Add the column and the tables."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    # SQLite adds a computed column only if it is not stored; PostgreSQL before 18 has no other
    op.add_column("outbox_events", sa.Column("log", sa.Text, sa.Computed(_LOG, persisted=is_postgresql)))
    op.drop_index("outbox_events_undelivered", "outbox_events")
    op.create_index("outbox_events_undelivered", "outbox_events", ["delivered", "log", "id"])
    op.create_index("outbox_events_by_session", "outbox_events", ["tenant_id", "session_id", "log", "session_sequence"])
    op.create_table(
        "analytics_events",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        _text("session_id"),
        sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
        _text("correlation_id"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("fields", JSON_TEXT, nullable=False, server_default="{}"),
    )
    op.create_index("analytics_events_by_type", "analytics_events", ["tenant_id", "type", "created_at"])
    op.create_index("analytics_events_by_session", "analytics_events", ["tenant_id", "session_id"])
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.CheckConstraint("kind IN ('session', 'user')", name="erasures_kind"),
    )
    if is_postgresql:
        run_script("0004_events.sql")


def downgrade() -> None:
    """Drop the column and the tables with all their rows."""
    op.drop_table("erasures")
    op.drop_table("analytics_events")
    op.drop_index("outbox_events_by_session", "outbox_events")
    op.drop_index("outbox_events_undelivered", "outbox_events")
    op.drop_column("outbox_events", "log")
    op.create_index("outbox_events_undelivered", "outbox_events", ["delivered", "id"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")
