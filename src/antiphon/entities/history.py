"""What the database keeps of sessions. Times are seconds since the epoch, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from antiphon.entities.events import Event


def storable(text: str) -> str:
    """Return a text as every database stores it: PostgreSQL has none with U+0000, which clients may send."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


_ROW_BYTES = 256
"""Assumed size of a row besides its texts."""
PROJECT = "default"
"""All sessions belong to one project."""

SessionKind = Literal["realtime", "translation", "dubbing", "dialog", "captions"]
SessionStatus = Literal["connected", "disconnected", "expired"]


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One version of one conversation item; a higher ``revision`` replaces a lower one."""

    tenant: str
    session_id: str
    item_id: str
    position: int
    """Order within the session."""
    revision: int
    content: bytes
    """The item as JSON, without audio."""
    created_at: float
    deleted: bool = False
    interrupted: bool = False
    """True if its speaker was stopped before the end."""

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the order of the session's items."""
        return self.position, self.item_id


@dataclass(frozen=True, slots=True)
class StoredSession:
    """The state of a session; a higher ``revision`` replaces a lower one.

    Text fields that are empty, and the beginning if it is later, keep the values that are stored: the process that
    ends a session may not know how it began.
    """

    tenant: str
    session_id: str
    kind: SessionKind
    status: SessionStatus
    created_at: float
    revision: int
    closed_at: float | None = None
    """None while the session is connected or may be resumed."""
    key_id: str = ""
    """Public name of the key or client secret that began it."""
    model: str = ""
    config: bytes = b""
    """Its configuration as the client sees it, JSON."""
    conversation_id: str = ""
    project_id: str = PROJECT


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One half of a function call: the model's call, or the client's output. Whichever comes first waits for the other.

    Each half has a revision, and a higher one replaces a lower one; a half of revision 0 leaves what is stored.
    """

    tenant: str
    session_id: str
    item_id: str
    """Item of the call, for both halves: models give the same ``call_id`` to several calls."""
    created_at: float
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    """JSON as the model wrote it, which may be malformed."""
    status: str = ""
    revision: int = 0
    output: str | None = None
    completed_at: float | None = None
    """When the output came."""
    output_revision: int = 0


@dataclass(frozen=True, slots=True)
class StoredUsage:
    """An amount that was used, counted once per ``record_id``."""

    tenant: str
    record_id: str
    metric: str
    """Its name, with the unit of ``amount`` at the end where it has one."""
    amount: float
    created_at: float
    session_id: str = ""
    key_id: str = ""
    project_id: str = PROJECT


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows that are written together or not at all."""

    items: tuple[StoredItem, ...] = ()
    sessions: tuple[StoredSession, ...] = ()
    calls: tuple[StoredCall, ...] = ()
    usage: tuple[StoredUsage, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Approximate size of its rows."""
        rows = _ROW_BYTES * (
            len(self.items) + len(self.sessions) + len(self.calls) + len(self.usage) + len(self.events)
        )
        texts = sum(len(call.arguments) + len(call.output or "") for call in self.calls)
        documents = (*(one.content for one in self.items), *(one.config for one in self.sessions))
        return rows + texts + sum(map(len, documents)) + sum(len(event.payload) for event in self.events)

    @property
    def ids(self) -> dict[str, str]:
        """The tenant and the session of its first row, for logs."""
        first = next(
            (row for rows in (self.items, self.sessions, self.calls, self.usage, self.events) for row in rows), None
        )
        return {} if first is None else {"tenant_id": first.tenant, "session_id": first.session_id}
