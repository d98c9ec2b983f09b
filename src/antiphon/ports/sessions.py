"""Sessions: their ownership, and the state from which another gateway continues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """The creator of a session, and the credentials to resume it; fixed for the life of the session."""

    id: str = ""
    """Public name of the key or of the ephemeral secret that began it; empty for a session without owner."""
    issuer: str = ""
    """Public name of the key behind it: the one that issued the secret, or the key itself."""
    kind: str = ""
    """``realtime`` or ``transcription``."""
    token_digest: str = ""
    """SHA-256 of the resume token, hexadecimal; empty without one."""
    seed: str = ""
    """Random part of the ids of its events, by which a cursor of another session is recognized."""


NOBODY = SessionOwner()


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as every gateway sees it."""

    session_id: str
    tenant: str
    epoch: int
    """Grows with every change of owner; only the newest owner may write."""
    gateway_id: str
    status: str
    """``connected``, ``disconnected``, or ``ended`` for a while after `Sessions.stop`."""
    owner: SessionOwner = NOBODY


@dataclass(frozen=True, slots=True)
class Change:
    """The difference to the last saved state of a session; written completely or not at all."""

    snapshot: bytes
    position: int
    """Position of the session's pipe up to which the snapshot includes the entries."""
    jobs: bytes = b""
    """Jobs that may not be submitted yet; replaces the saved ones."""
    items: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """New and changed items."""
    gone: Sequence[str] = ()
    """Ids of removed items."""
    events: bytes = b""
    """Events sent to the client since the last change; kept for the event window."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The state from which a session is resumed; the fields are those of `Change`."""

    snapshot: bytes
    position: int
    jobs: bytes
    items: Mapping[str, bytes]
    events: Sequence[bytes]
    """Of the event window, oldest first."""


@dataclass(frozen=True, slots=True)
class SavedContent:
    """The part of a saved state that can be shown; the fields are those of `Saved`."""

    snapshot: bytes
    items: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Taken:
    """A session that its gateway has lost: another connection has resumed it, or it was stopped."""

    tenant: str
    session_id: str
    epoch: int
    """Epoch of the new owner."""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that is over because it was not resumed in time, or was stopped; its other data can be removed."""

    tenant: str
    session_id: str
    snapshot: bytes
    epoch: int
    """Epoch of its last owner."""


class Sessions(Protocol):
    """Ownership and saved state of sessions, isolated by tenant."""

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        """Become the gateway of a session under the next epoch, new or already owned."""
        ...

    async def resume(
        self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY
    ) -> tuple[SessionRecord, Saved]:
        """Become the gateway of a saved session of this owner; its present gateway is notified.

        Raises `NotFound` when it is unknown, over, was never saved, or is another tenant's or owner's, and then
        changes nothing.
        """
        ...

    async def save(self, record: SessionRecord, change: Change) -> None:
        """Write a change. Raises `Fenced` when ``record.epoch`` is not the newest, and then writes nothing."""
        ...

    async def find(self, tenant: str, session_id: str) -> SessionRecord | None:
        """Return the session, or None when it is unknown, over, or another tenant's."""
        ...

    async def heartbeat(self, record: SessionRecord) -> None:
        """Keep the session alive. Raises `Fenced` like `save`."""
        ...

    async def end(self, record: SessionRecord, *, resumable: bool) -> None:
        """Release: a resumable session stays for the resume window, any other is forgotten. Never raises `Fenced`."""
        ...

    async def peek(self, tenant: str, session_id: str, *, with_items: bool = True) -> SavedContent | None:
        """Return what is saved of a session; None when it is unknown, over or was never saved."""
        ...

    async def stop(self, tenant: str, session_id: str) -> EndedSession | None:
        """End a session, whoever owns it; None when it is unknown or over. Its gateway is notified.

        Its owner can no longer save it and nobody can resume it. `find` still returns it for a while, so that its owner
        does not take it for one that was forgotten.
        """
        ...

    def taken(self, gateway_id: str) -> AsyncIterator[Taken]:
        """Yield the sessions of this gateway that others resume or stop, endlessly. May repeat or miss some."""
        ...

    def leave(self) -> AsyncIterator[EndedSession]:
        """Yield the sessions that end with this process: none where another process can resume them."""
        ...

    def expired(self) -> AsyncIterator[EndedSession]:
        """Forget sessions whose resume window is over, and yield each of them, to one caller.

        After the store was unavailable, no session is over before its owner had the time for a heartbeat.
        """
        ...
