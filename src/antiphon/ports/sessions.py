"""Sessions: who owns one, and what another gateway would go on from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Who began a session, and what others must show to resume it; it stays as long as the session."""

    id: str = ""
    """Public name of the key or of the ephemeral secret that began it; empty for what nobody in particular owns."""
    issuer: str = ""
    """Public name of the key behind it: the one that issued the secret, or the key itself."""
    kind: str = ""
    """``realtime`` or ``transcription``."""
    token_digest: str = ""
    """SHA-256 of the resume token, hexadecimal; empty where there is none."""
    seed: str = ""
    """Random part of the ids of its events: a cursor of another session is known before anything is taken."""


NOBODY = SessionOwner()


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
    owner: SessionOwner = NOBODY


@dataclass(frozen=True, slots=True)
class Change:
    """What is new in a session since it was saved before; all of it is written, or nothing."""

    snapshot: bytes
    position: int
    """How far the session's pipe was worked into the snapshot."""
    jobs: bytes = b""
    """Jobs that are perhaps not submitted yet; replaces those that were saved before."""
    items: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Items that are new or have changed."""
    gone: Sequence[str] = ()
    """Ids of items that are no more."""
    events: bytes = b""
    """What was said to the client since the last change; kept for the event window."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a session is taken up from; `Change` has the meaning of the fields."""

    snapshot: bytes
    position: int
    jobs: bytes
    items: Mapping[str, bytes]
    events: Sequence[bytes]
    """Of the event window, oldest first."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A session that another connection has taken up, here or elsewhere."""

    tenant: str
    session_id: str
    epoch: int
    """Of the new owner."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A session that nobody took up in time; it is forgotten, and what it left behind can go."""

    tenant: str
    session_id: str
    snapshot: bytes


class Sessions(Protocol):
    """Ownership and saved state of sessions, isolated by tenant."""

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        """Become the gateway of a session under the next epoch, of a new one or of one that was our own."""
        ...

    async def resume(
        self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY
    ) -> tuple[SessionRecord, Saved]:
        """Become the gateway of a saved session of this owner; its present gateway hears of it.

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
        """Let go: a resumable session stays for the resume window, any other is forgotten. Never raises `Fenced`."""
        ...

    def taken(self, gateway_id: str) -> AsyncIterator[Taken]:
        """Yield the sessions of this gateway that others take up, endlessly. May yield one twice, or miss one."""
        ...

    def expired(self) -> AsyncIterator[Expired]:
        """Forget sessions whose time is over, and yield each of them, to one caller.

        After an absence of the store none is over before those that live had the time to say so.
        """
        ...
