"""Telling programs outside of the platform what happens, without ever waiting for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Mirror(Protocol):
    """Publishes what may be lost: nothing waits for it, and nothing fails with it."""

    def tell(self, channel: str, tenant: str, session_id: str, message: Mapping[str, object]) -> None:
        """Publish a message about a session on ``channel``, followed by the session's id. Never raises."""
        ...
