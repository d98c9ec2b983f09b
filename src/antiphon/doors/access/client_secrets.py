"""Ephemeral secrets: short-lived ``ek_…`` keys that a web page may hold.

A secret carries its tenant, its expiry, the key that issued it and the session it opens, sealed with AES-GCM: only a
server with the same secret key can read it, and no server has to store it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antiphon.doors.server.exchange import HEADER_LINE_BYTES
from antiphon.errors import InvalidRequest, Unauthenticated
from antiphon.folders import make_private
from antiphon.wire.secrets import NO_BOUNDS, SessionSecretBounds

PREFIX = "ek_"
MIN_TTL_S = 10
MAX_TTL_S = 7200
DEFAULT_TTL_S = 600
MAX_LENGTH = HEADER_LINE_BYTES - 1024
"""Longest secret, characters: it has to fit into a header line, after the name of the header."""

_NONCE_BYTES = 12
_MIN_KEY_LENGTH = 32


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    """What lies inside a secret. Fields are only ever added at the end."""

    id: str
    tenant: str
    expires_at: int
    session: bytes
    issuer: str = ""
    kind: str = ""
    bounds: SessionSecretBounds = NO_BOUNDS


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
    issuer: str
    """Public name of the key that issued it; empty in secrets of versions that did not record it."""
    kind: str
    """Kind of session that it opens: ``realtime``, ``transcription`` or ``translation``."""
    bounds: SessionSecretBounds = NO_BOUNDS


class EphemeralSecrets:
    """Issues and verifies secrets. Holds no state: servers with the same secret key accept each other's."""

    def __init__(self, secret_key: bytes, *former: bytes) -> None:
        """Seal with ``secret_key``; secrets sealed with a ``former`` one stay valid. Raises `InvalidRequest`."""
        if any(len(key) < _MIN_KEY_LENGTH for key in (secret_key, *former)):
            raise InvalidRequest(
                f"ANTIPHON_SECRET_KEY: a key is shorter than {_MIN_KEY_LENGTH} bytes (16 were enough before this "
                "version); make one with 'openssl rand -hex 32'.",
                param="ANTIPHON_SECRET_KEY",
            )
        self._ciphers = tuple(
            AESGCM(hashlib.sha256(b"antiphon ephemeral secret v1\0" + key).digest()) for key in (secret_key, *former)
        )

    def issue(
        self,
        session_json: bytes,
        tenant: str,
        ttl_s: int,
        now: float,
        *,
        issuer: str,
        kind: str,
        bounds: SessionSecretBounds = NO_BOUNDS,
    ) -> IssuedSecret:
        """Return a secret for ``session_json`` that is valid for ``ttl_s`` seconds from ``now`` (wall clock).

        Raises `InvalidRequest` for a ttl outside 10 to 7200 s and for a session too large for a header.
        """
        if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
            raise InvalidRequest(
                f"expires_after.seconds must be between {MIN_TTL_S} and {MAX_TTL_S}, not {ttl_s}.",
                param="expires_after.seconds",
            )
        payload = _Payload(secrets.token_hex(8), tenant, int(now) + ttl_s, session_json, issuer, kind, bounds)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, zlib.compress(msgspec.msgpack.encode(payload)), PREFIX.encode())
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

        Raises `Unauthenticated`: code ``expired_secret`` for a genuine one that has expired,
        ``invalid_api_key`` for anything else.
        """
        payload = self._open(token)
        if now >= payload.expires_at:
            raise Unauthenticated("This client secret has expired; ask for a new one.", code="expired_secret")
        return EphemeralGrant(
            f"{PREFIX}{payload.id}",
            payload.tenant,
            payload.expires_at,
            payload.session,
            payload.issuer,
            payload.kind,
            payload.bounds,
        )

    def _open(self, token: str) -> _Payload:
        invalid = Unauthenticated("This client secret is not valid.")
        if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
            raise invalid
        text = token.removeprefix(PREFIX)
        try:
            # validate=True: characters outside the alphabet are refused, so one secret has one spelling
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = zlib.decompress(self._unseal(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]))
            return msgspec.msgpack.decode(plain, type=_Payload)
        except (binascii.Error, ValueError, InvalidTag, zlib.error, msgspec.MsgspecError) as exc:
            raise invalid from exc

    def _unseal(self, nonce: bytes, sealed: bytes) -> bytes:
        """Decrypt with the key that it was sealed with. Raises `InvalidTag` for a foreign key."""
        for cipher in self._ciphers[:-1]:
            with suppress(InvalidTag):
                return cipher.decrypt(nonce, sealed, PREFIX.encode())
        return self._ciphers[-1].decrypt(nonce, sealed, PREFIX.encode())


def load_secret_keys(data_dir: Path, configured: str | None = None) -> list[bytes]:
    """Return the configured keys, a comma-separated list: the present one first, then former ones.

    Without any, return the key in ``data_dir/secret_key``, made on first use with mode 0600; processes that start at
    the same time get the same key.
    """
    if configured:
        return [key.strip().encode() for key in configured.split(",")]
    path = data_dir / "secret_key"
    if not path.exists():
        _create_once(path, secrets.token_hex(32).encode())
    path.chmod(0o600)
    return [path.read_bytes().strip()]


def _create_once(path: Path, content: bytes) -> None:
    """Create ``path`` atomically; a file that another process created first stays."""
    make_private(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was faster: its key counts
    finally:
        draft.unlink()
