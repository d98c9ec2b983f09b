"""Who may resume a session: its owner, and a caller of the same key with its resume token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence

from antiphon.doors.access.authentication import Identity
from antiphon.errors import NotFound
from antiphon.ports.sessions import NOBODY, SessionOwner

TOKEN_HEADER = b"x-antiphon-resume-token"
TOKEN_FIELD = "resume_token"  # noqa: S105 - the name of a query field

_TOKEN_BYTES = 32


def new_token() -> str:
    """Return a resume token: 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def owner_of(identity: Identity, kind: str, token: str, seed: str) -> SessionOwner:
    """Return the owner of a session that ``identity`` begins; without a ``token`` only the owner may resume it."""
    return SessionOwner(identity.key_id, identity.account.key_id, kind, _digest(token) if token else "", seed)


def sent_token(headers: Iterable[tuple[bytes, bytes]], query: Mapping[str, Sequence[str]]) -> str:
    """Return the resume token of a handshake, from its header or else its query; empty if there is none."""
    found = next((value.decode("latin-1").strip() for name, value in headers if name == TOKEN_HEADER), "")
    return found or query.get(TOKEN_FIELD, [""])[0]


def may_resume(identity: Identity, owner: SessionOwner, token: str) -> bool:
    """Return whether ``identity`` may resume a session of ``owner``.

    The owner needs no token. With the token these may: the key that issued the owner's secret, and a secret of the same
    kind that was issued by this key or by the key that owns the session. A session that a gateway of the former release
    began has no owner: every key of its tenant may resume it, and no ephemeral secret.
    """
    if owner == NOBODY:
        return not identity.is_ephemeral
    if owner.id and identity.key_id == owner.id:
        return True
    shows_token = bool(owner.token_digest) and hmac.compare_digest(_digest(token), owner.token_digest)
    is_kin = bool(owner.issuer) and identity.account.key_id == owner.issuer
    is_kind = not identity.is_ephemeral or identity.kind == owner.kind
    return shows_token and is_kin and is_kind


def no_session(session_id: str) -> NotFound:
    """Return the same error for a session that does not exist and for one of another owner."""
    return NotFound(f"There is no session '{session_id}' to resume.", code="session_not_found")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
