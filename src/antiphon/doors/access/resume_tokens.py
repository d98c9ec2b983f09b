"""Who may resume a session: its owner, and whoever holds its resume token and comes from the same key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence

from antiphon.doors.access.authentication import Identity
from antiphon.errors import NotFound
from antiphon.ports.sessions import SessionOwner

TOKEN_HEADER = b"x-antiphon-resume-token"
TOKEN_FIELD = "resume_token"  # noqa: S105 - the name of a query field

_TOKEN_BYTES = 32


def new_token() -> str:
    """Return a resume token: 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def owner_of(identity: Identity, kind: str, token: str, seed: str) -> SessionOwner:
    """Return the owner of a session that ``identity`` begins; an empty ``token`` lets nobody else resume it."""
    return SessionOwner(identity.key_id, identity.account.key_id, kind, _digest(token) if token else "", seed)


def sent_token(headers: Iterable[tuple[bytes, bytes]], query: Mapping[str, Sequence[str]]) -> str:
    """Return the resume token of a handshake, of its header or else of its query; empty where there is none."""
    found = next((value.decode("latin-1").strip() for name, value in headers if name == TOKEN_HEADER), "")
    return found or query.get(TOKEN_FIELD, [""])[0]


def may_resume(identity: Identity, owner: SessionOwner, token: str) -> bool:
    """Say whether ``identity`` may resume a session of ``owner``.

    The owner needs no token. With the token: the key that issued the owner's secret, and a secret of the same kind that
    this key, or the key that owns the session, has issued.
    """
    if owner.id and identity.key_id == owner.id:
        return True
    shows_token = bool(owner.token_digest) and hmac.compare_digest(_digest(token), owner.token_digest)
    is_kin = bool(owner.issuer) and identity.account.key_id == owner.issuer
    is_kind = not identity.is_ephemeral or identity.kind == owner.kind
    return shows_token and is_kin and is_kind


def no_session(session_id: str) -> NotFound:
    """Return the one answer for a session that there is not, and for one that is not the caller's."""
    return NotFound(f"There is no session '{session_id}' to resume.", code="session_not_found")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
