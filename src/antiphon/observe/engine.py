"""Which engine did the work of a job, where several could have."""

from __future__ import annotations

from contextvars import ContextVar

answered_by: ContextVar[str] = ContextVar("answered_by", default="")
"""Name of the engine that gave the results of the call under way; a failover chain sets it."""
