"""Sessions of one process, in memory."""

from __future__ import annotations

import itertools
from dataclasses import replace

from antiphon.clock import Clock, SystemClock
from antiphon.errors import Fenced
from antiphon.ports.sessions import SessionRecord

_SWEEP_S = 30.0
"""Between two looks for sessions that are over."""


class _Kept:
    """A session, and when it stops being alive and being known."""

    __slots__ = ("alive_until", "record", "resumable_until")

    def __init__(self, record: SessionRecord) -> None:
        self.record = record
        self.alive_until = 0.0
        self.resumable_until = 0.0


class EmbeddedSessions:
    """A `Sessions` in memory, for one process.

    A session without a heartbeat for ``liveness_s`` counts as disconnected, and is forgotten when the resume
    window has passed since. Epochs are never used twice, so that the owner of a forgotten session cannot write
    into a new one of the same id.
    """

    def __init__(self, clock: Clock | None = None, *, resume_window_s: float = 60.0, liveness_s: float = 30.0) -> None:
        self._clock = clock or SystemClock()
        self._resume_window_s = resume_window_s
        self._liveness_s = liveness_s
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._epochs = itertools.count(1)
        self._next_sweep = 0.0

    async def claim(self, tenant: str, session_id: str, gateway_id: str) -> SessionRecord:
        """Become the owner, under the next epoch; a known session keeps its snapshot and position."""
        self._sweep()
        kept = self._find(tenant, session_id)
        epoch = next(self._epochs)
        if kept is None:
            kept = _Kept(SessionRecord(session_id, tenant, epoch, gateway_id, "connected"))
            self._kept[tenant, session_id] = kept
        else:
            kept.record = replace(kept.record, epoch=epoch, gateway_id=gateway_id, status="connected")
        self._see(kept)
        return kept.record

    async def save(self, record: SessionRecord) -> None:
        """Write snapshot and position. Raises `Fenced` when ``record.epoch`` is not the newest."""
        kept = self._own(record)
        kept.record = record
        self._see(kept)

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the session, or None when it is unknown, over, or another tenant's."""
        kept = self._find(tenant, session_id)
        if kept is None:
            return None
        if kept.record.status == "connected" and kept.alive_until <= self._clock.now():
            return replace(kept.record, status="disconnected")
        return kept.record

    async def heartbeat(self, record: SessionRecord) -> None:
        """Keep the session alive. Raises `Fenced` like `save`."""
        self._see(self._own(record))

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Let go; nothing happens when a newer owner has taken over."""
        kept = self._find(record.tenant, record.session_id)
        if kept is None or kept.record.epoch != record.epoch:
            return
        if resumable and self._resume_window_s > 0:
            kept.record = replace(kept.record, status="disconnected")
            kept.alive_until = self._clock.now()
            kept.resumable_until = self._clock.now() + self._resume_window_s
        else:
            del self._kept[record.tenant, record.session_id]

    def __len__(self) -> int:
        """Return how many sessions are kept."""
        return len(self._kept)

    def _see(self, kept: _Kept) -> None:
        kept.alive_until = self._clock.now() + self._liveness_s
        kept.resumable_until = kept.alive_until + self._resume_window_s

    def _find(self, tenant: str, session_id: str) -> _Kept | None:
        kept = self._kept.get((tenant, session_id))
        if kept is None or kept.resumable_until > self._clock.now():
            return kept
        del self._kept[tenant, session_id]
        return None

    def _own(self, record: SessionRecord) -> _Kept:
        kept = self._find(record.tenant, record.session_id)
        if kept is None:
            raise Fenced(f"session {record.session_id} is over")
        if kept.record.epoch != record.epoch:
            raise Fenced(f"session {record.session_id} belongs to epoch {kept.record.epoch}")
        return kept

    def _sweep(self) -> None:
        now = self._clock.now()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            self._kept = {key: kept for key, kept in self._kept.items() if kept.resumable_until > now}
