"""Publishing of session events to outside programs, without waiting for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Mirror(Protocol):
    """Publishes messages that may be lost: it never blocks or fails a caller."""

    def tell(self, channel: str, tenant: str, session_id: str, message: Mapping[str, object]) -> None:
        """Publish a message about a session on ``channel``, followed by the session's id. Never raises."""
        ...
