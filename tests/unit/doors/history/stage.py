"""A history over real saved sessions and a real database, and rows to put into both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from antiphon.clock import VirtualClock
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.snapshot import dump_frame, dump_item
from antiphon.conversation.state import ItemRecord, State
from antiphon.doors.history.reader import HistoryReader
from antiphon.entities.history import StoredItem, StoredSession, Unit
from antiphon.errors import ProviderUnavailable
from antiphon.ports.sessions import Change, SavedContent, SessionOwner, SessionRecord
from antiphon.state.embedded import EmbeddedSessions
from antiphon.store.sqlite import SqliteStore
from antiphon.wire.realtime_items import Content, Message
from tests.options import session_rules

LASTS_S = 3600.0


class Faulty(EmbeddedSessions):
    """Sessions in a store that can be away."""

    is_away = False

    def _check(self) -> None:
        if self.is_away:
            raise ProviderUnavailable("Redis is unavailable", code="redis_unavailable")

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        self._check()
        return await super().find(tenant, session_id)

    async def peek(self, tenant: str, session_id: str, *, with_items: bool = True) -> SavedContent | None:
        self._check()
        return await super().peek(tenant, session_id, with_items=with_items)


class Stage:
    """A reader, and what it reads."""

    def __init__(self, store: SqliteStore, clock: VirtualClock) -> None:
        self.clock = clock
        self.store = store
        self.sessions = Faulty(clock)
        self.reader = HistoryReader(store, self.sessions, clock, lasts_s=LASTS_S)

    async def stored(self, *rows: StoredItem | StoredSession) -> None:
        """Put rows into the database."""
        items = tuple(row for row in rows if isinstance(row, StoredItem))
        await self.store.record(
            [Unit(items=items, sessions=tuple(row for row in rows if isinstance(row, StoredSession)))]
        )

    async def saved(
        self, session_id: str, *records: ItemRecord, tenant: str = "t", change: Callable[[State], None] | None = None
    ) -> SessionRecord:
        """Save a live session with these items."""
        session = describe(None, Defaults(), now=self.clock.wall(), model="live")
        machine = Conversation.begin(session, session_rules(), seed="seed", now=self.clock.wall(), lasts_s=LASTS_S)
        machine.state.records = list(records)
        if change is not None:
            change(machine.state)
        owner = SessionOwner("key_1", seed="seed")
        claimed = await self.sessions.claim(tenant, session_id, "g1", owner)
        items = {str(record.item.id): dump_item(record) for record in records}
        await self.sessions.save(claimed, Change(dump_frame(machine.state), 1, items=items))
        return claimed


_migrated: list[bytes] = []
"""An empty database, to copy: a migration takes longer than a test."""


@asynccontextmanager
async def staged(folder: Path) -> AsyncGenerator[Stage]:
    clock, path = VirtualClock(), folder / "history.db"
    store = SqliteStore(path)
    if not _migrated:
        await store.start()
        await store.close()
        _migrated.append(path.read_bytes())
    path.write_bytes(_migrated[0])
    await store.start()
    try:
        yield Stage(store, clock)
    finally:
        await store.close()


def live(name: str, position: int, revision: int = 1, text: str = "", **fields: Any) -> ItemRecord:
    """Return an item as the gateway of its session has it."""
    content = (Content(type="input_text", text=text or f"{name} {revision}"),)
    message = Message(id=name, object="realtime.item", status="completed", role="user", content=content)
    return ItemRecord(item=message, position=position, revision=revision, **fields)


def row(name: str, position: int, revision: int = 1, session: str = "s", **fields: Any) -> StoredItem:
    """Return an item as the database has it."""
    text = f'{{"id":"{name}","type":"message","content":[{{"type":"input_text","text":"{name} {revision}"}}]}}'
    return StoredItem(**{"tenant": "t", **fields}, session_id=session, item_id=name, position=position,
                      revision=revision, content=text.encode(), created_at=100.0 + position)  # fmt: skip


def session(name: str = "s", at: float = 10.0, **fields: Any) -> StoredSession:
    """Return a session as the database has it."""
    given = {"tenant": "t", "kind": "realtime", "status": "connected", "revision": 1, **fields}
    return StoredSession(session_id=name, created_at=at, **given)


async def pages(
    reader: HistoryReader, limit: int, *, oldest_first: bool, session_id: str = "s"
) -> list[tuple[str, int]]:
    """Return names and revisions of all items, read page by page."""
    found: list[StoredItem] = []
    after: str | None = None
    while True:
        page = await reader.items("t", session_id, limit=limit, after=after, oldest_first=oldest_first)
        assert len(page.items) <= limit
        found += page.items
        if not page.has_more:
            return versions(found)
        assert page.items
        after = page.items[-1].item_id


def versions(items: Iterable[StoredItem]) -> list[tuple[str, int]]:
    """Return names and revisions."""
    return [(item.item_id, item.revision) for item in items]
