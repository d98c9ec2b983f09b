"""One history over two places: the saved state of live sessions, and the database, which lags up to a second behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import msgspec
import structlog

from antiphon.clock import Clock
from antiphon.conversation import snapshot
from antiphon.entities.history import SessionKind, StoredItem, StoredSession, storable
from antiphon.errors import InvalidRequest, NotFound, ProviderUnavailable
from antiphon.ids import conversation_id
from antiphon.ports.sessions import SavedContent, SessionRecord, Sessions
from antiphon.ports.store import ItemPlace, SessionPlace, Store
from antiphon.text.quoting import quoted
from antiphon.text.surrogates import replace_surrogates
from antiphon.wire.realtime_session import RealtimeSession

_SESSION_ID = re.compile("[0-9A-Za-z_-]{1,128}", re.ASCII)
"""Ids of sessions. Other text may be no part of a key: the braces of a cluster's keys name their slot."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items in the order asked for."""

    items: Sequence[StoredItem]
    has_more: bool


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions in the order asked for."""

    sessions: Sequence[StoredSession]
    has_more: bool


@dataclass(frozen=True, slots=True)
class _LiveItem:
    """An item of a saved session, loaded only when a page has it."""

    item_id: str
    position: int
    revision: int
    data: bytes

    @property
    def place(self) -> ItemPlace:
        return self.position, self.item_id

    def loaded(self, tenant: str, session_id: str, created_at: float) -> StoredItem:
        record = snapshot.load_item(self.data)
        return StoredItem(
            tenant,
            session_id,
            self.item_id,
            self.position,
            self.revision,
            msgspec.json.encode(record.item),
            created_at,
            interrupted=record.interrupted,
        )


class HistoryReader:
    """Reads sessions and items of a tenant. While Redis is away it reads the database alone."""

    def __init__(self, store: Store, sessions: Sessions, clock: Clock, *, lasts_s: float) -> None:
        """``lasts_s`` is the longest duration of a translation session."""
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._lasts_s = lasts_s

    async def items(
        self, tenant: str, session_id: str, *, limit: int, after: str | None, oldest_first: bool
    ) -> ItemPage:
        """Return a page of a session's items. Raises `NotFound`, `InvalidRequest` for an unknown cursor."""
        if not _SESSION_ID.fullmatch(session_id):
            raise _unknown(session_id)
        live = await self._live(tenant, session_id)
        beyond = None if after is None else await self._place(tenant, session_id, after, live)
        stored = await self._store.items(tenant, session_id, limit=limit + 1, beyond=beyond, oldest_first=oldest_first)
        found: dict[str, StoredItem | _LiveItem] = {item.item_id: item for item in stored}
        for item_id, item in live.items():
            known = found.get(item_id)
            if known is not None and known.revision >= item.revision:
                continue
            if beyond is None or (item.place > beyond if oldest_first else item.place < beyond):
                found[item_id] = item
            else:  # it has moved to a former page
                found.pop(item_id, None)
        ordered = sorted(found.values(), key=attrgetter("place"), reverse=not oldest_first)
        if not ordered and after is None:
            await self.session(tenant, session_id)
        known_at = {item.item_id: item.created_at for item in stored}
        now = self._clock.wall()
        page = [
            item if isinstance(item, StoredItem) else item.loaded(tenant, session_id, known_at.get(item.item_id, now))
            for item in ordered[:limit]
        ]
        return ItemPage(page, bool(page) and (len(ordered) > limit or len(stored) > limit))

    async def session(self, tenant: str, session_id: str) -> StoredSession:
        """Return a session. Raises `NotFound`."""
        if not _SESSION_ID.fullmatch(session_id):
            raise _unknown(session_id)
        stored = await self._store.session(tenant, session_id)
        if stored is not None and stored.closed_at is not None:
            return stored
        saved = await self._saved(tenant, session_id, with_items=False)
        if stored is not None:
            described = {} if saved is None else _described(saved)
            return replace(await self._as_it_is(stored), **described)
        record = await self._record(tenant, session_id)
        if record is None:
            raise _unknown(session_id)
        return StoredSession(  # it is not in the database yet
            tenant,
            session_id,
            "realtime",
            "connected" if record.status == "connected" else "disconnected",
            created_at=self._clock.wall(),
            revision=0,
            key_id=record.owner.id,
            conversation_id=conversation_id(record.owner.seed),
            **({} if saved is None else _described(saved)),
        )

    async def sessions(
        self,
        tenant: str,
        *,
        limit: int,
        after: str | None,
        oldest_first: bool,
        since: float | None,
        until: float | None,
        kind: SessionKind | None,
    ) -> SessionPage:
        """Return a page of a tenant's sessions. Raises `InvalidRequest` for an unknown cursor."""
        beyond: SessionPlace | None = None
        if after is not None:
            found = await self._store.session(tenant, after) if _SESSION_ID.fullmatch(after) else None
            if found is None:
                raise _unknown_cursor(after, "session")
            beyond = (found.created_at, found.session_id)
        rows = await self._store.sessions(
            tenant, limit=limit + 1, beyond=beyond, oldest_first=oldest_first, since=since, until=until, kind=kind
        )
        shown = await asyncio.gather(*(self._as_it_is(row) for row in rows[:limit]))
        return SessionPage(shown, len(rows) > limit)

    async def _as_it_is(self, row: StoredSession) -> StoredSession:
        """Return a session with its present status: nothing ends the row of a session whose server was killed."""
        if row.closed_at is not None:
            return row
        is_connected = row.status == "connected"
        if row.kind == "translation":
            is_connected = is_connected and row.created_at + self._lasts_s > self._clock.wall()
        elif row.kind == "realtime":
            try:
                record = await self._record(row.tenant, row.session_id)
            except ProviderUnavailable:
                return row
            is_connected = record is not None and record.status == "connected"
        return replace(row, status="connected" if is_connected else "disconnected")

    async def _record(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return a session that is connected or may be resumed. Raises `ProviderUnavailable`."""
        record = await self._sessions.find(tenant, session_id)
        return record if record is not None and record.status != "ended" else None

    async def _saved(self, tenant: str, session_id: str, *, with_items: bool) -> SavedContent | None:
        try:
            return await self._sessions.peek(tenant, session_id, with_items=with_items)
        except ProviderUnavailable as error:
            _log.warning("saved sessions are unavailable, the database alone is read", error=str(error))
            return None

    async def _live(self, tenant: str, session_id: str) -> Mapping[str, _LiveItem]:
        """Return the items of a live session that its client has seen, by id as databases store it."""
        saved = await self._saved(tenant, session_id, with_items=True)
        if saved is None:
            return {}
        try:
            positions = snapshot.positions(saved.snapshot, saved.items)
        except (msgspec.ValidationError, KeyError) as error:  # another version saved it
            _log.warning("saved items are unreadable", session_id=session_id, error=repr(error))
            return {}
        items = (
            _LiveItem(storable(item_id), one.position, one.revision, saved.items[item_id])
            for item_id, one in positions.items()
            if one.revision  # before it is finished for the first time it is not in the history
        )
        return {item.item_id: item for item in items}

    async def _place(self, tenant: str, session_id: str, after: str, live: Mapping[str, _LiveItem]) -> ItemPlace:
        if after in live:
            return live[after].place
        # no database has an id with U+0000 or half a character
        is_stored = storable(after) == replace_surrogates(after) == after
        place = await self._store.item_place(tenant, session_id, after) if is_stored else None
        if place is None:
            if not live and not await self._store.items(tenant, session_id, limit=1):
                await self.session(tenant, session_id)
            raise _unknown_cursor(after, "item")
        return place


def _described(saved: SavedContent) -> dict[str, Any]:
    """Return model and configuration of a live session; nothing if another version saved it."""
    try:
        session = snapshot.load_frame(saved.snapshot).session
    except msgspec.ValidationError as error:
        _log.warning("saved session is unreadable", error=repr(error))
        return {}
    model = session.model if isinstance(session, RealtimeSession) else ""
    return {"model": model, "config": msgspec.json.encode(session)}


def _unknown(session_id: str) -> NotFound:
    """Return the same error for an unknown session and for one of another tenant."""
    return NotFound(f"There is no session {quoted(session_id)}.", code="session_not_found")


def _unknown_cursor(after: str, kind: str) -> InvalidRequest:
    return InvalidRequest(f"There is no {kind} {quoted(after)} here.", param="after", code="unknown_cursor")
