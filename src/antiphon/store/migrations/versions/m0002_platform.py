"""Tenants, projects, keys, sessions, calls, audit, usage, outbox; on PostgreSQL partitions and row-level security."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from antiphon.store.migrations.scripts import run_script

revision = "0002"
down_revision = "0001"

JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")
_NEW = ("outbox_events", "audit_logs", "usage_records", "function_calls", "sessions", "api_keys", "projects", "tenants")
"""Its tables, in the order in which they can be dropped."""
_FORMER = {"tenant_id", "session_id", "started_at", "ended_at", "model"}
"""Columns of the sessions of the releases before migrations."""


def upgrade() -> None:
    """Create the tables; sessions that an earlier release has written become rows of the new table."""
    former = _former_sessions()
    op.add_column("conversation_items", sa.Column("interrupted", sa.Boolean, nullable=False, server_default=sa.false()))
    _create_tenants()
    _create_sessions()
    _create_records()
    _create_outbox()
    for row in former:
        op.execute(
            sa.text(
                "INSERT INTO sessions (tenant_id, session_id, created_at, closed_at, model, status)"
                " VALUES (:tenant_id, :session_id, :started_at, :ended_at, :model, :status)"
            ).bindparams(**row, status="expired" if row["ended_at"] is None else "disconnected")
        )
    run_script("0002_up.sql" if op.get_bind().dialect.name == "postgresql" else "0002_up_sqlite.sql")


def downgrade() -> None:
    """Drop the tables with all their rows; conversation items stay."""
    if op.get_bind().dialect.name == "postgresql":
        run_script("0002_down.sql")
    for name in _NEW:
        op.drop_table(name)
    op.drop_column("conversation_items", "interrupted")


def _former_sessions() -> list[dict[str, object]]:
    """Return the rows of the former table, and drop it."""
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    if connection.dialect.name != "sqlite" or not inspector.has_table("sessions"):
        return []
    if {column["name"] for column in inspector.get_columns("sessions")} != _FORMER:
        return []  # somebody else's: creating ours fails, and nothing is lost
    former = sa.text("SELECT tenant_id, session_id, started_at, ended_at, model FROM sessions")
    rows = connection.execute(former).mappings().all()
    op.drop_table("sessions")
    return [dict(row) for row in rows]


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        _text("name"),
        _text("tier", "free"),
        _text("status", "active"),
        sa.Column("retention_days", sa.BigInteger, nullable=False, server_default="90"),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_table(
        "projects",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("project_id", sa.Text, primary_key=True),
        _text("name"),
        _text("environment", "production"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="projects_tenant", ondelete="CASCADE"),
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("project_id", sa.Text, nullable=False),
        _text("name"),
        sa.Column("key_prefix", sa.Text, nullable=False),
        sa.Column("key_hash", sa.Text, nullable=False),
        sa.Column("scopes", JSON_TEXT, nullable=False, server_default="[]"),
        _text("rate_limit_tier"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["projects.tenant_id", "projects.project_id"],
            name="api_keys_project",
            ondelete="CASCADE",
        ),
    )
    op.create_index("api_keys_by_prefix", "api_keys", ["key_prefix"])


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        _text("project_id", "default"),
        _text("key_id"),
        _text("kind", "realtime"),
        _text("status", "connected"),
        _text("model"),
        sa.Column("config", JSON_TEXT, nullable=False, server_default="{}"),
        _text("conversation_id"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
        sa.CheckConstraint(
            "kind IN ('realtime', 'translation', 'dubbing', 'dialog', 'captions')", name="sessions_kind"
        ),
        postgresql_partition_by="HASH (tenant_id)",
    )
    op.create_index(
        "sessions_by_time",
        "sessions",
        ["tenant_id", "created_at", "session_id"],
        postgresql_include=["kind", "status", "model", "closed_at"],
    )
    op.create_table(
        "function_calls",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, primary_key=True),
        _text("item_id"),
        _text("name"),
        _text("arguments"),
        sa.Column("output", sa.Text),
        _text("status", "completed"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("completed_at", sa.Double),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    )


def _create_records() -> None:
    op.create_table(
        "usage_records",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("record_id", sa.Text, primary_key=True),
        _text("project_id", "default"),
        _text("key_id"),
        _text("session_id"),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("amount", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("usage_records_by_time", "usage_records", ["tenant_id", "created_at"])
    op.create_table(
        "audit_logs",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        _text("key_id"),
        _text("address"),
        sa.Column("action", sa.Text, nullable=False),
        _text("target"),
        _text("outcome", "allowed"),
        sa.Column("details", JSON_TEXT, nullable=False, server_default="{}"),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("audit_logs_by_time", "audit_logs", ["tenant_id", "created_at"])


def _create_outbox() -> None:
    op.create_table(
        "outbox_events",
        # SQLite counts up an INTEGER key only
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", JSON_TEXT, nullable=False),
        _text("session_id"),
        sa.Column("session_sequence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.Double, nullable=False, server_default="0"),
        sa.UniqueConstraint("event_id", name="outbox_events_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_events_undelivered", "outbox_events", ["delivered", "id"])
