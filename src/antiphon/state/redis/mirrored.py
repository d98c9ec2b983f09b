"""Sessions whose changes are mirrored to outside listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from antiphon.connections.redis import RedisConnection
from antiphon.ids import conversation_id
from antiphon.ports.mirror import Mirror
from antiphon.ports.sessions import NOBODY, Change, EndedSession, Saved, SessionOwner, SessionRecord
from antiphon.state.redis.sessions import PROJECT, RedisSessions

SESSION = "session"
"""Channel, followed by a colon and the session's id."""


class MirroredSessions(RedisSessions):
    """A `RedisSessions` that mirrors each change after it was written."""

    def __init__(self, connection: RedisConnection, mirror: Mirror, **options: Any) -> None:
        """``options`` are those of `RedisSessions`."""
        super().__init__(connection, **options)
        self._mirror = mirror

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        """Become the gateway of a session under the next epoch."""
        record = await super().claim(tenant, session_id, gateway_id, owner)
        self._tell(record, "session.created")
        return record

    async def resume(
        self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY
    ) -> tuple[SessionRecord, Saved]:
        """Become the gateway of a saved session of this owner. Raises `NotFound`."""
        record, saved = await super().resume(tenant, session_id, gateway_id, owner)
        self._tell(record, "session.connected")
        return record, saved

    async def save(self, record: SessionRecord, change: Change) -> None:
        """Write a change. Raises `Fenced` when ``record.epoch`` is not the newest."""
        await super().save(record, change)
        self._tell(record, "session.updated", items=list(change.items), gone=list(change.gone))

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Release the session; no effect when a newer owner has taken over."""
        if await self._release(record, resumable=resumable):
            self._tell(record, "session.disconnected" if resumable else "session.closed", status="disconnected")

    async def stop(self, tenant: str, session_id: str) -> EndedSession | None:
        """End a session, whoever owns it; None when it is unknown or over."""
        ended = await super().stop(tenant, session_id)
        if ended is not None:
            self._mirror.tell(SESSION, tenant, session_id, {"type": "session.closed", "status": "disconnected"})
        return ended

    async def expired(self) -> AsyncIterator[EndedSession]:
        """Forget sessions whose resume window is over, and yield each of them."""
        async for one in super().expired():
            self._mirror.tell(SESSION, one.tenant, one.session_id, {"type": "session.closed", "status": "expired"})
            yield one

    def _tell(self, record: SessionRecord, kind: str, **more: object) -> None:
        about = {
            "type": kind,
            "status": record.status,
            "gateway_id": record.gateway_id,
            "epoch": record.epoch,
            "project_id": PROJECT,
            "conversation_id": conversation_id(record.owner.seed),
        }
        self._mirror.tell(SESSION, record.tenant, record.session_id, {**about, **more})
