"""Limits of client secrets: sessions at a time, and sessions over the life of a secret."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from antiphon.doors.access.authentication import Identity
from antiphon.doors.websocket.connection import Connection
from antiphon.errors import Unauthenticated
from antiphon.ports.uses import Uses

_POLICY = 1008


class SecretUsage:
    """Enforces the limits of client secrets over all doors of a process; other keys have none."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._open: dict[str, dict[str, list[Connection]]] = {}
        """By secret: its sessions, oldest first, each with its connections: several while a session is resumed."""

    @contextmanager
    def hold(self, identity: Identity, session_id: str, connection: Connection) -> Generator[None]:
        """Count a session as open for the context; if it is one too many, the oldest session ends.

        A reloaded page is admitted before the loss of its former connection is noticed.
        """
        if identity.grant is None:
            yield
            return
        sessions = self._open.setdefault(identity.key_id, {})
        sessions[session_id] = [*sessions.pop(session_id, ()), connection]
        while len(sessions) > identity.grant.bounds.max_sessions:
            for one in sessions.pop(next(iter(sessions))):
                one.hang_up(_POLICY, "another session of this client secret has begun")
        try:
            yield
        finally:
            rest = [one for one in sessions.pop(session_id, ()) if one is not connection]
            if rest:
                sessions[session_id] = rest
            if not sessions and self._open.get(identity.key_id) is sessions:
                del self._open[identity.key_id]

    async def spend(self, identity: Identity, session_id: str) -> None:
        """Count a new session. Raises `Unauthenticated` when the secret is used up, `ProviderUnavailable`."""
        grant = identity.grant
        if grant is None or grant.bounds.uses is None:
            return
        if not await self._uses.spend(grant.id, session_id, grant.bounds.uses, grant.expires_at):
            raise Unauthenticated("This client secret is used up; ask for a new one.", code="used_secret")
