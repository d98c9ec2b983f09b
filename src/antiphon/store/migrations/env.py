"""Alembic runs this for every command: it migrates over the connection that `antiphon.store.migrate` was given."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
