"""Sessions that all gateways see, in Redis: data and sign of life apart, every write under its owner's epoch."""

from __future__ import annotations

import math

from antiphon.connections.redis import RedisConnection, Script
from antiphon.errors import Fenced
from antiphon.ports.sessions import SessionRecord

_OWN, _KEEP, _FIND, _LET_GO = (Script.load("antiphon.state.redis", name) for name in ("own", "keep", "find", "let_go"))


class RedisSessions:
    """A `Sessions` in Redis.

    A session without a heartbeat for ``liveness_s`` counts as disconnected, and is forgotten when the resume window has
    passed since. Redis lets both run out by itself: no process has to be there for it. Epochs come from Redis' clock
    and never repeat, so that the owner of a forgotten session cannot write into a new one of the same id.
    """

    def __init__(self, connection: RedisConnection, *, resume_window_s: float = 60.0, liveness_s: float = 30.0) -> None:
        self._connection = connection
        self._resume_ms = math.ceil(resume_window_s * 1000)
        self._liveness_ms = math.ceil(liveness_s * 1000)

    async def claim(self, tenant: str, session_id: str, gateway_id: str) -> SessionRecord:
        """Become the owner, under the next epoch; a known session keeps its snapshot and position."""
        keys = _keys(tenant, session_id)
        epoch, snapshot, position = await self._connection.run(
            _OWN, keys, gateway_id, self._liveness_ms, self._resume_ms
        )
        return SessionRecord(session_id, tenant, int(epoch), gateway_id, "connected", snapshot, int(position))

    async def save(self, record: SessionRecord) -> None:
        """Write snapshot and position. Raises `Fenced` when ``record.epoch`` is not the newest."""
        await self._keep(record, record.snapshot, record.position)

    async def heartbeat(self, record: SessionRecord) -> None:
        """Keep the session alive. Raises `Fenced` like `save`."""
        await self._keep(record)

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the session, or None when it is unknown, over, or another tenant's."""
        found = await self._connection.run(_FIND, _keys(tenant, session_id))
        if not found:
            return None
        epoch, gateway_id, status, snapshot, position, is_alive = found
        told = status.decode() if is_alive else "disconnected"
        return SessionRecord(session_id, tenant, int(epoch), gateway_id.decode(), told, snapshot, int(position))

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Let go; nothing happens when a newer owner has taken over."""
        keys = _keys(record.tenant, record.session_id)
        await self._connection.run(_LET_GO, keys, record.epoch, self._resume_ms if resumable else 0)

    async def _keep(self, record: SessionRecord, *snapshot: bytes | int) -> None:
        owner = await self._connection.run(
            _KEEP,
            _keys(record.tenant, record.session_id),
            record.epoch,
            self._liveness_ms,
            self._resume_ms,
            *snapshot,
        )
        if not owner:
            raise Fenced(f"session {record.session_id} is over")
        if int(owner) != record.epoch:
            raise Fenced(f"session {record.session_id} belongs to epoch {int(owner)}")


def _keys(tenant: str, session_id: str) -> tuple[str, str]:
    stem = f"t:{tenant}:session:{{{session_id}}}"
    return stem, f"{stem}:alive"
