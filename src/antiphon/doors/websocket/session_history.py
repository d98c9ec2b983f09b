"""The rows of one session over a WebSocket: its beginning and end, and what it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from antiphon.clock import Clock
from antiphon.entities.events import Event
from antiphon.entities.history import SessionKind, SessionStatus, StoredSession, StoredUsage, Unit
from antiphon.ports.sessions import EndedSession
from antiphon.wire.events import EventPayload, SessionClosed, SessionCreated, encode, type_of

_PHASES = 4
"""Revisions of a session per epoch: connected, disconnected, closed, cleaned up."""
CONNECTED, DISCONNECTED, CLOSED, CLEANED_UP = range(_PHASES)


def revision(epoch: int, phase: int) -> int:
    """Return the revision of a session's state; that of a later owner is higher."""
    return epoch * _PHASES + phase


def ended_session(
    ended: EndedSession, status: SessionStatus, now: float, kind: SessionKind, *, model: str = "", config: bytes = b""
) -> StoredSession:
    """Return the row of a session that did not end with its connection."""
    return StoredSession(
        ended.tenant,
        ended.session_id,
        kind,
        status,
        created_at=now,
        revision=revision(ended.epoch, CLEANED_UP),
        closed_at=now,
        model=model,
        config=config,
    )


def session_event(tenant: str, session_id: str, payload: EventPayload, number: int, now: float) -> Event:
    """Return an event of a session; recorded again, it is the same one."""
    kind = type_of(payload)
    return Event(tenant, f"{session_id}:{kind}:{number}", kind, encode(payload), now, session_id, number)


def closed_event(row: StoredSession) -> SessionClosed:
    """Return the last event of a session."""
    return SessionClosed(session_id=row.session_id, kind=row.kind, model=row.model, status=row.status)


class SessionHistory:
    """Records one connected session, from its handshake to its end.

    Row ids are derived from the session: whatever is recorded again, such as by another gateway that replays results,
    makes no second row.
    """

    __slots__ = (
        *("_conversation_id", "_key_id", "_kind", "_opened_at"),
        *("clock", "epoch", "record", "session_id", "tenant"),
    )

    def __init__(
        self,
        record: Callable[[Unit], None],
        clock: Clock,
        kind: SessionKind,
        *,
        tenant: str,
        session_id: str,
        key_id: str,
        epoch: int = 0,
        conversation_id: str = "",
    ) -> None:
        """``epoch`` is that of the session's owner, ``key_id`` the key that began the session."""
        self.record = record
        self.clock = clock
        self.tenant = tenant
        self.session_id = session_id
        self._kind: SessionKind = kind
        self._key_id = key_id
        self.epoch = epoch
        self._conversation_id = conversation_id
        self._opened_at = 0.0

    def opened(self, model: str, config: bytes, *, is_new: bool = True) -> None:
        """Record that the session is connected; ``config`` is its configuration, JSON.

        Its first event says that it was created, unless it is resumed.
        """
        self._opened_at = self.clock.wall()
        created = SessionCreated(session_id=self.session_id, kind=self._kind, model=model)
        events = (self.event(created, 1),) if is_new else ()
        self.record(Unit(sessions=(self._session(CONNECTED, model, config),), events=events))

    def ended(self, model: str, config: bytes, *, resumable: bool, epoch: int | None = None, events: int = 1) -> None:
        """Record that the connection has ended, and the seconds that it lasted.

        ``epoch`` is that of the session's owner if it was claimed again meanwhile, ``events`` the number of its events
        for analytics so far.
        """
        self.epoch = self.epoch if epoch is None else epoch
        session = self._session(DISCONNECTED if resumable else CLOSED, model, config)
        seconds = max(0.0, self.clock.wall() - self._opened_at)
        used = self.used(f"{self.session_id}:{self.epoch}", {"connection_s": seconds})
        last = () if resumable else (self.event(closed_event(session), events + 1),)
        self.record(Unit(sessions=(session,), usage=used, events=last))

    def event(self, payload: EventPayload, number: int) -> Event:
        """Return an event of this session; ``number`` is its place among those in the same log."""
        return session_event(self.tenant, self.session_id, payload, number, self.clock.wall())

    def used(self, source: str, amounts: Mapping[str, float]) -> tuple[StoredUsage, ...]:
        """Return the rows of what ``source`` used: its id is counted once; amounts of 0 make no row."""
        now = self.clock.wall()
        return tuple(
            StoredUsage(
                self.tenant, f"{source}:{metric}", metric, amount, now, session_id=self.session_id, key_id=self._key_id
            )
            for metric, amount in amounts.items()
            if amount
        )

    def _session(self, phase: int, model: str, config: bytes) -> StoredSession:
        return StoredSession(
            tenant=self.tenant,
            session_id=self.session_id,
            kind=self._kind,
            status="connected" if phase == CONNECTED else "disconnected",
            created_at=self._opened_at,
            revision=revision(self.epoch, phase),
            closed_at=self.clock.wall() if phase == CLOSED else None,
            key_id=self._key_id,
            model=model,
            config=config,
            conversation_id=self._conversation_id,
        )
