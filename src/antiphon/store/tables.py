"""The schema as queries see it, for SQLite and PostgreSQL. `antiphon.store.migrations` creates and changes it.

Times are seconds since the epoch, UTC. Rows of one session may arrive in any order and before the row of their session
or of their tenant: they have no foreign keys to it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData()

JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")
"""JSON that is stored and returned as text: PostgreSQL's ``json`` keeps it as written, `jsonb` refuses ``\\u0000``."""


def _key(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


tenants = sa.Table(
    "tenants",
    metadata,
    *_key("tenant_id"),
    _text("name"),
    _text("tier", "free"),
    _text("status", "active"),
    sa.Column("retention_days", sa.BigInteger, nullable=False, server_default="90"),
    _time("created_at"),
)

projects = sa.Table(
    "projects",
    metadata,
    *_key("tenant_id", "project_id"),
    _text("name"),
    _text("environment", "production"),
    _time("created_at"),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="projects_tenant", ondelete="CASCADE"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    *_key("tenant_id", "key_id"),
    sa.Column("project_id", sa.Text, nullable=False),
    _text("name"),
    sa.Column("key_prefix", sa.Text, nullable=False),
    sa.Column("key_hash", sa.Text, nullable=False),
    sa.Column("scopes", JSON_TEXT, nullable=False, server_default="[]"),
    _text("rate_limit_tier"),
    _time("created_at"),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
    _time("revoked_at", nullable=True),
    sa.ForeignKeyConstraint(
        ["tenant_id", "project_id"],
        ["projects.tenant_id", "projects.project_id"],
        name="api_keys_project",
        ondelete="CASCADE",
    ),
    sa.Index("api_keys_by_prefix", "key_prefix"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    *_key("tenant_id", "session_id"),
    _text("project_id", "default"),
    _text("key_id"),
    _text("kind", "realtime"),
    _text("status", "connected"),
    _text("model"),
    sa.Column("config", JSON_TEXT, nullable=False, server_default="{}"),
    _text("conversation_id"),
    _time("created_at"),
    _time("closed_at", nullable=True),
    _number("revision"),
    sa.CheckConstraint("kind IN ('realtime', 'translation', 'dubbing', 'dialog', 'captions')", name="sessions_kind"),
    sa.Index(
        "sessions_by_time",
        *("tenant_id", "created_at", "session_id"),
        postgresql_include=["kind", "status", "model", "closed_at"],
    ),
    postgresql_partition_by="HASH (tenant_id)",
)

conversation_items = sa.Table(
    "conversation_items",
    metadata,
    *_key("tenant_id", "session_id", "item_id"),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("content", JSON_TEXT, nullable=False),
    _time("created_at"),
    sa.Column("deleted", sa.Boolean, nullable=False),
    _flag("interrupted"),
    sa.Index(
        "conversation_items_by_position",
        *("tenant_id", "session_id", "position"),
        postgresql_include=["item_id", "deleted"],
    ),
    postgresql_partition_by="HASH (tenant_id)",
)

function_calls = sa.Table(
    "function_calls",
    metadata,
    *_key("tenant_id", "session_id", "item_id"),
    _text("call_id"),
    _text("name"),
    _text("arguments"),
    sa.Column("output", sa.Text),
    _text("status", "completed"),
    _time("created_at"),
    _time("completed_at", nullable=True),
    _number("revision"),
    _number("output_revision"),
)

usage_records = sa.Table(
    "usage_records",
    metadata,
    *_key("tenant_id", "record_id"),
    _text("project_id", "default"),
    _text("key_id"),
    _text("session_id"),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("amount", sa.Double, nullable=False),
    _time("created_at"),
    sa.Index("usage_records_by_time", "tenant_id", "created_at"),
)

audit_logs = sa.Table(
    "audit_logs",
    metadata,
    *_key("tenant_id", "event_id"),
    _text("key_id"),
    _text("address"),
    sa.Column("action", sa.Text, nullable=False),
    _text("target"),
    _text("outcome", "allowed"),
    sa.Column("details", JSON_TEXT, nullable=False, server_default="{}"),
    _time("created_at"),
    sa.Index("audit_logs_by_time", "tenant_id", "created_at"),
)

outbox_events = sa.Table(
    "outbox_events",
    metadata,
    # SQLite counts up an INTEGER key only
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("payload", JSON_TEXT, nullable=False),
    _text("session_id"),
    _number("session_sequence"),
    _time("created_at"),
    sa.Column("delivered", sa.Integer, nullable=False, server_default="0"),
    _number("attempts"),
    sa.Column("next_attempt_at", sa.Double, nullable=False, server_default="0"),
    sa.Column(
        "log",
        sa.Text,
        sa.Computed("CASE WHEN lower(type) LIKE 'ltm%' THEN 'events.ltm' ELSE 'events.analytics' END"),
    ),
    sa.UniqueConstraint("event_id", name="outbox_events_event"),
    sa.Index("outbox_events_undelivered", "delivered", "log", "id"),
    sa.Index("outbox_events_by_session", "tenant_id", "session_id", "log", "session_sequence"),
    sqlite_autoincrement=True,
)

analytics_events = sa.Table(
    "analytics_events",
    metadata,
    *_key("tenant_id", "event_id"),
    sa.Column("type", sa.Text, nullable=False),
    _text("session_id"),
    _number("turn"),
    _text("correlation_id"),
    _time("created_at"),
    sa.Column("fields", JSON_TEXT, nullable=False, server_default="{}"),
    sa.Index("analytics_events_by_type", "tenant_id", "type", "created_at"),
    sa.Index("analytics_events_by_session", "tenant_id", "session_id"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    *_key("tenant_id", "kind", "subject"),
    _time("created_at"),
    sa.CheckConstraint("kind IN ('session', 'user')", name="erasures_kind"),
)

ltm_embeddings = sa.Table(
    "ltm_embeddings",
    metadata,
    *_key("tenant_id", "memory_id"),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    # `halfvec(384)`, with an index, where PostgreSQL had pgvector when it was migrated
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False, server_default="0.8"),
    _text("source"),
    sa.Column("tags", JSON_TEXT, nullable=False, server_default="[]"),
    _text("session_id"),
    _time("created_at"),
    _time("updated_at"),
    sa.CheckConstraint(
        "category IN ('preference', 'personality', 'habit', 'history', 'context')", name="ltm_embeddings_category"
    ),
    sa.UniqueConstraint("tenant_id", "user_id", "content_hash", name="ltm_embeddings_content"),
    sa.Index("ltm_embeddings_by_session", "tenant_id", "session_id"),
)
