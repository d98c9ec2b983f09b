"""Ephemeral secrets: short-lived ``ek_…`` keys that a web page may hold.

A secret carries its tenant, its expiry and the session it opens, sealed with AES-GCM: nobody but a server
with the same secret key can read or change it, and no server has to remember it. It may be used any number of
times until it expires.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antiphon.errors import InvalidRequest, Unauthenticated

PREFIX = "ek_"
MIN_TTL_S = 10
MAX_TTL_S = 7200
DEFAULT_TTL_S = 600
MAX_LENGTH = 24 * 1024
"""Longest secret, characters: it has to fit into the headers of an upgrade request."""

_NONCE_BYTES = 12
_MIN_KEY_LENGTH = 16


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    """What lies inside a secret. Fields are only ever added at the end."""

    id: str
    tenant: str
    expires_at: int
    session: bytes


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A fresh secret, as the client gets it."""

    value: str
    expires_at: int
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class EphemeralGrant:
    """What a valid secret allows."""

    id: str
    """Public name of the secret, for logs."""
    tenant: str
    expires_at: int
    session: bytes
    """The session configuration it was issued for, as JSON."""


class EphemeralSecrets:
    """Issues and verifies secrets. Holds no state: servers with the same secret key accept each other's."""

    def __init__(self, secret_key: bytes) -> None:
        if len(secret_key) < _MIN_KEY_LENGTH:
            raise InvalidRequest(
                f"The secret key is shorter than {_MIN_KEY_LENGTH} bytes: "
                "set ANTIPHON_SECRET_KEY to a longer random text.",
                param="secret_key",
            )
        self._cipher = AESGCM(hashlib.sha256(b"antiphon ephemeral secret v1\0" + secret_key).digest())

    def issue(self, session_json: bytes, tenant: str, ttl_s: int, now: float) -> IssuedSecret:
        """Return a secret for ``session_json`` that is valid for ``ttl_s`` seconds from ``now`` (wall clock).

        Raises `InvalidRequest` for a ttl outside 10 to 7200 s and for a session too large for a header.
        """
        if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
            raise InvalidRequest(
                f"expires_after.seconds must be between {MIN_TTL_S} and {MAX_TTL_S}, not {ttl_s}.",
                param="expires_after.seconds",
            )
        payload = _Payload(secrets.token_hex(8), tenant, int(now) + ttl_s, session_json)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, zlib.compress(msgspec.msgpack.encode(payload)), PREFIX.encode())
        value = PREFIX + base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")
        if len(value) > MAX_LENGTH:
            raise InvalidRequest(
                "The session is too large for a client secret; shorten its instructions or tools, "
                "or send them with session.update after connecting.",
                code="session_too_large",
                param="session",
            )
        return IssuedSecret(value, payload.expires_at)

    def verify(self, token: str, now: float) -> EphemeralGrant:
        """Return what ``token`` allows at ``now`` (wall clock).

        Raises `Unauthenticated`: code ``expired_secret`` for a genuine one whose time is over,
        ``invalid_api_key`` for anything else.
        """
        payload = self._open(token)
        if now >= payload.expires_at:
            raise Unauthenticated("This client secret has expired; ask for a new one.", code="expired_secret")
        return EphemeralGrant(f"{PREFIX}{payload.id}", payload.tenant, payload.expires_at, payload.session)

    def _open(self, token: str) -> _Payload:
        invalid = Unauthenticated("This client secret is not valid.")
        if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
            raise invalid
        text = token.removeprefix(PREFIX)
        try:
            # validate=True: characters outside the alphabet are refused, so one secret has one spelling
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = zlib.decompress(self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], PREFIX.encode()))
            return msgspec.msgpack.decode(plain, type=_Payload)
        except (binascii.Error, ValueError, InvalidTag, zlib.error, msgspec.MsgspecError) as exc:
            raise invalid from exc


def load_secret_key(data_dir: Path, configured: str | None = None) -> bytes:
    """Return the configured key, else the one in ``data_dir/secret_key``, made on first use with mode 0600.

    Several processes that start at once end up with the same key.
    """
    if configured:
        return configured.encode()
    path = data_dir / "secret_key"
    if not path.exists():
        _create_once(path, secrets.token_hex(32).encode())
    path.chmod(0o600)
    return path.read_bytes().strip()


def _create_once(path: Path, content: bytes) -> None:
    """Make ``path`` with all its content or leave the one that another process made first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # somebody was faster: theirs counts
    finally:
        draft.unlink()
