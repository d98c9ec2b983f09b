"""The schema: one definition for SQLite and PostgreSQL. Every primary key begins with the tenant."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 1
"""Grows with every change of the schema. A file of a former release may have an empty table ``sessions``."""

metadata = sa.MetaData()

conversation_items = sa.Table(
    "conversation_items",
    metadata,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Index("conversation_items_by_position", "tenant_id", "session_id", "position"),
)
