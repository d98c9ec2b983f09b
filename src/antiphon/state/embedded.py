"""Sessions of one process, in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace

from antiphon.clock import Clock, SystemClock
from antiphon.errors import Fenced, NotFound
from antiphon.ports.sessions import (
    NOBODY,
    Change,
    EndedSession,
    Saved,
    SavedContent,
    SessionOwner,
    SessionRecord,
    Taken,
)


class _Kept:
    """A session, and the times when its liveness and its resume window end."""

    __slots__ = ("alive_until", "events", "items", "last", "record", "resumable_until")

    def __init__(self, record: SessionRecord) -> None:
        self.record = record
        self.alive_until = 0.0
        self.resumable_until = 0.0
        self.last: Change | None = None
        self.items: dict[str, bytes] | None = None
        self.events: deque[tuple[float, bytes]] | None = None

    def save(self, change: Change, now: float, window_s: float) -> None:
        """Apply a change. Containers are made on first use, as most sessions are idle."""
        self.last = replace(change, items={}, gone=(), events=b"")
        if change.items or change.gone:
            items = self.items = self.items or {}
            items.update(change.items)
            for item_id in change.gone:
                items.pop(item_id, None)
        if change.events:
            events = self.events = self.events or deque()
            events.append((now, change.events))
            while events[0][0] < now - window_s:
                events.popleft()


class EmbeddedSessions:
    """A `Sessions` in memory, for one process.

    A session without a heartbeat for ``liveness_s`` counts as disconnected, and is over one resume window later. Epochs
    are never reused, so that the owner of a forgotten session cannot write into a new one with the same id.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        resume_window_s: float = 60.0,
        liveness_s: float = 30.0,
        event_window_s: float = 60.0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._resume_window_s = resume_window_s
        self._liveness_s = liveness_s
        self._event_window_s = event_window_s
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._epochs = itertools.count(1)
        self._listeners: dict[str, list[asyncio.Queue[Taken]]] = {}

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        """Become the gateway of a session under the next epoch."""
        kept = self._find(tenant, session_id)
        if kept is None:
            kept = _Kept(SessionRecord(session_id, tenant, 0, gateway_id, "connected", owner))
            self._kept[tenant, session_id] = kept
        return self._own(kept, gateway_id)

    async def resume(
        self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY
    ) -> tuple[SessionRecord, Saved]:
        """Become the gateway of a saved session of this owner. Raises `NotFound`."""
        kept = self._find(tenant, session_id)
        if kept is None or kept.last is None or kept.record.owner != owner:
            raise NotFound(f"There is no session '{session_id}' to resume.", code="session_not_found")
        former = kept.record.gateway_id
        record, last = self._own(kept, gateway_id), kept.last
        self._notify(former, record)
        events = tuple(data for _, data in kept.events or ())
        return record, Saved(last.snapshot, last.position, last.jobs, dict(kept.items or {}), events)

    async def save(self, record: SessionRecord, change: Change) -> None:
        """Write a change. Raises `Fenced` when ``record.epoch`` is not the newest."""
        kept = self._owned(record)
        kept.save(change, self._clock.now(), self._event_window_s)
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
        self._see(self._owned(record))

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Release the session; no effect when a newer owner has taken over."""
        kept = self._find(record.tenant, record.session_id)
        if kept is None or kept.record.epoch != record.epoch:
            return
        if resumable and self._resume_window_s > 0:
            kept.record = replace(kept.record, status="disconnected")
            kept.alive_until = self._clock.now()
            kept.resumable_until = self._clock.now() + self._resume_window_s
        else:
            del self._kept[record.tenant, record.session_id]

    async def peek(self, tenant: str, session_id: str, *, with_items: bool = True) -> SavedContent | None:
        """Return what is saved of a session; None when it is unknown, over or was never saved."""
        kept = self._find(tenant, session_id)
        if kept is None or kept.last is None:
            return None
        return SavedContent(kept.last.snapshot, dict(kept.items or {}) if with_items else {})

    async def stop(self, tenant: str, session_id: str) -> EndedSession | None:
        """End a session, whoever owns it; None when it is unknown or over."""
        kept = self._find(tenant, session_id)
        if kept is None or kept.record.status == "ended":
            return None
        snapshot, former = kept.last.snapshot if kept.last else b"", kept.record.gateway_id
        self._kept[tenant, session_id] = ended = _Kept(replace(kept.record, owner=NOBODY))
        record = self._own(ended, "", "ended")
        self._notify(former, record)
        return EndedSession(tenant, session_id, snapshot, record.epoch)

    async def taken(self, gateway_id: str) -> AsyncIterator[Taken]:
        """Yield the sessions of this gateway that others resume or stop."""
        listener: asyncio.Queue[Taken] = asyncio.Queue()
        listeners = self._listeners.setdefault(gateway_id, [])
        listeners.append(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            listeners.remove(listener)

    async def expired(self) -> AsyncIterator[EndedSession]:
        """Forget sessions whose resume window is over, and yield each of them."""
        now = self._clock.now()
        for (tenant, session_id), kept in list(self._kept.items()):
            if kept.resumable_until <= now and self._kept.pop((tenant, session_id), None) is kept:
                if kept.record.status == "ended":
                    continue
                snapshot = kept.last.snapshot if kept.last else b""
                yield EndedSession(tenant, session_id, snapshot, kept.record.epoch)

    async def leave(self) -> AsyncIterator[EndedSession]:
        """Forget all sessions, and yield each that was not over: nobody can resume it."""
        for (tenant, session_id), kept in list(self._kept.items()):
            del self._kept[tenant, session_id]
            if kept.record.status != "ended":
                yield EndedSession(tenant, session_id, b"", kept.record.epoch)

    def __len__(self) -> int:
        """Return how many sessions are kept."""
        return len(self._kept)

    def _notify(self, gateway_id: str, record: SessionRecord) -> None:
        for listener in self._listeners.get(gateway_id, ()):
            listener.put_nowait(Taken(record.tenant, record.session_id, record.epoch))

    def _own(self, kept: _Kept, gateway_id: str, status: str = "connected") -> SessionRecord:
        kept.record = replace(kept.record, epoch=next(self._epochs), gateway_id=gateway_id, status=status)
        self._see(kept)
        return kept.record

    def _see(self, kept: _Kept) -> None:
        kept.alive_until = self._clock.now() + self._liveness_s
        kept.resumable_until = kept.alive_until + self._resume_window_s

    def _find(self, tenant: str, session_id: str) -> _Kept | None:
        kept = self._kept.get((tenant, session_id))
        return kept if kept is not None and kept.resumable_until > self._clock.now() else None

    def _owned(self, record: SessionRecord) -> _Kept:
        kept = self._find(record.tenant, record.session_id)
        if kept is None:
            raise Fenced(f"session {record.session_id} is over")
        if kept.record.epoch != record.epoch:
            raise Fenced(f"session {record.session_id} belongs to epoch {kept.record.epoch}")
        return kept
