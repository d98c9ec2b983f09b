"""Sessions: who owns one, and the snapshot another gateway would go on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as every gateway sees it."""

    session_id: str
    tenant: str
    epoch: int
    """Grows with every change of owner; the newest owner alone may write."""
    gateway_id: str
    status: str
    """``connected`` or ``disconnected``."""
    snapshot: bytes = b""
    position: int = 0
    """How far the session's pipe was worked into the snapshot."""


class Sessions(Protocol):
    """Ownership and snapshots of sessions, isolated by tenant."""

    async def claim(self, tenant: str, session_id: str, gateway_id: str) -> SessionRecord:
        """Become the owner: creates the session or takes it over under the next epoch."""
        ...

    async def save(self, record: SessionRecord) -> None:
        """Write snapshot and position. Raises `Fenced` when ``record.epoch`` is not the newest."""
        ...

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the session, or None when it is unknown, over, or another tenant's."""
        ...

    async def heartbeat(self, record: SessionRecord) -> None:
        """Keep the session alive. Raises `Fenced` like `save`."""
        ...

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Let go: a resumable session stays for the resume window, any other is forgotten. Never raises `Fenced`."""
        ...
