"""Authentication: one decision for REST, WebSocket and Socket.IO, without I/O.

Without any key the server is *open*: it serves every caller on a loopback address, except web pages of other
origins. Once a key is configured every request needs one, and the origin of the page no longer matters. An
ephemeral secret opens a realtime session in both cases.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from antiphon.clock import Clock
from antiphon.doors.access.client_secrets import PREFIX as EPHEMERAL_PREFIX
from antiphon.doors.access.client_secrets import EphemeralGrant, EphemeralSecrets
from antiphon.errors import Forbidden, InvalidRequest, Unauthenticated
from antiphon.ports.limiter import Account

TENANT = "default"
"""The tenant of a single owner."""
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
OPEN = "open"
"""Key id of the callers of an open server."""

KEY_SUBPROTOCOL = "openai-insecure-api-key."
_QUERY_NAMES = ("api_key", "access_token")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about its sender, on any transport."""

    key: str = ""
    """The first key found, or empty."""
    host: str = ""
    """The ``Host`` header; empty when it is missing or there is more than one."""
    origin: str | None = None
    """The ``Origin`` header; None when there is none."""
    secure: bool = False
    """True when the request came over TLS."""
    embedded: bool = False
    """True when a browser says that a page of another site embeds this as an image, a script or a frame."""

    @classmethod
    def of_scope(cls, scope: Mapping[str, Any]) -> Credentials:
        """Read an ASGI ``http`` or ``websocket`` scope."""
        headers = _Headers(scope["headers"])
        hosts = headers.all(b"host")
        origins = headers.all(b"origin")
        return cls(
            key=_find_key(headers, scope.get("subprotocols", ()), scope.get("query_string", b"")),
            host=hosts[0] if len(hosts) == 1 else "",
            origin=", ".join(origins) if origins else None,
            secure=scope.get("scheme") in ("https", "wss"),
            embedded=headers.first(b"sec-fetch-site") == "cross-site"
            and headers.first(b"sec-fetch-dest") != "document",
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, once admitted."""

    tenant: str
    """Letters, digits, ``.``, ``_`` and ``-``, at most 64: it is part of keys and messages in Redis."""
    key_id: str
    """Public name of the key for logs and limits: ``open``, ``key_…`` or ``ek_…``; never the key itself."""
    grant: EphemeralGrant | None = None
    """What an ephemeral secret allows; None for every other key."""

    def __post_init__(self) -> None:
        """Raise `Unauthenticated` for an invalid tenant."""
        if not _TENANT.fullmatch(self.tenant):
            raise Unauthenticated("This key belongs to no valid tenant.")

    @property
    def is_ephemeral(self) -> bool:
        """True for the bearer of an ephemeral secret, who may only open realtime sessions."""
        return self.grant is not None

    @property
    def session(self) -> bytes | None:
        """The session configuration (JSON) an ephemeral secret is bound to; None for every other key."""
        return self.grant.session if self.grant is not None else None

    @property
    def kind(self) -> str:
        """Kind of session that an ephemeral secret opens; empty for every other key, which opens any."""
        return self.grant.kind if self.grant is not None else ""

    @property
    def locked(self) -> tuple[str, ...]:
        """Fields of its sessions that the bearer may not set."""
        return self.grant.bounds.locked if self.grant is not None else ()

    @property
    def account(self) -> Account:
        """The key that is charged: for an ephemeral secret, the key that issued it."""
        issuer = self.grant.issuer if self.grant is not None else ""
        return Account(self.tenant, issuer or self.key_id)


class Access:
    """Decides who is admitted."""

    def __init__(
        self,
        keys: Iterable[str],
        ephemeral: EphemeralSecrets,
        clock: Clock,
        *,
        allowed_origins: Iterable[str] = (),
    ) -> None:
        self._digests = tuple((_digest(key), key_id(key)) for key in keys)
        self._issuers = frozenset(name for _, name in self._digests) or frozenset((OPEN,))
        self._ephemeral = ephemeral
        self._clock = clock
        self._allowed_origins = frozenset(_same_origin(origin) for origin in allowed_origins)

    @property
    def is_open(self) -> bool:
        """True when no key is configured."""
        return not self._digests

    @property
    def names_origins(self) -> bool:
        """True when pages of other origins are allowed."""
        return bool(self._allowed_origins)

    def allows(self, origin: str) -> bool:
        """Return whether pages of this origin may read responses; any spelling of it counts."""
        return bool({_same_origin(origin), "*"} & self._allowed_origins)

    def share(self, most: int, *, with_strangers: bool = False) -> int:
        """Return how much of ``most`` one key may use: all if it is the only one, else four fifths, rounded up.

        ``with_strangers`` is True where callers without a key have a share as well.
        """
        is_alone = self.is_open or len(self._issuers) + with_strangers == 1
        return most if is_alone else most - most // 5

    def admit(self, request: Credentials) -> Identity:
        """Return the caller behind ``request``. Raises `Unauthenticated` or `Forbidden`."""
        if request.key.startswith(EPHEMERAL_PREFIX):
            return self._admit_ephemeral(request)
        if self.is_open:
            self._check_local(request)
            return Identity(TENANT, OPEN)
        return Identity(TENANT, self._match(request.key))

    def _admit_ephemeral(self, request: Credentials) -> Identity:
        grant = self._ephemeral.verify(request.key, self._clock.wall())
        if grant.issuer and grant.issuer not in self._issuers:
            raise Unauthenticated("The API key that issued this client secret is not known here any more.")
        origins = grant.bounds.origins
        if origins is not None and _same_origin(request.origin or "") not in map(_same_origin, origins):
            raise Forbidden("Pages of this origin may not use this client secret.", code="origin_not_allowed")
        return Identity(grant.tenant, grant.id, grant)

    def _match(self, key: str) -> str:
        """Compare with every key in constant time."""
        if not key:
            raise Unauthenticated(
                "No API key was given. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key"
            )
        digest = _digest(key)
        found = ""
        for known, name in self._digests:
            if hmac.compare_digest(digest, known):
                found = name
        if not found:
            raise Unauthenticated("This API key is not known here.")
        return found

    def _check_local(self, request: Credentials) -> None:
        """Keep pages of other origins away from the owner's engines: by their origin, and by a rebound host name."""
        if not is_loopback(_split_host(request.host)[0]):
            raise Forbidden(
                "This server is open to its own machine only: call it as 127.0.0.1 or localhost, "
                "or set ANTIPHON_API_KEYS.",
                code="host_not_allowed",
            )
        self.check_page(request)

    def check_page(self, request: Credentials) -> None:
        """Refuse a request of a page of another origin. Raises `Forbidden`."""
        if request.origin is None and not request.embedded:
            return
        own_scheme = "https" if request.secure else "http"
        accepted = set(self._allowed_origins)
        if is_loopback(_split_host(request.host)[0]):  # a page may have rebound any other name to this server
            accepted.add(_same_origin(f"{own_scheme}://{request.host}"))
        if "*" not in accepted and _same_origin(request.origin or "") not in accepted:
            raise Forbidden(
                "Pages of this origin may not call an open server: add it to ANTIPHON_ALLOWED_ORIGINS, "
                "or set ANTIPHON_API_KEYS.",
                code="origin_not_allowed",
            )


def subprotocol(offered: Sequence[str]) -> str | None:
    """Return the WebSocket subprotocol to select: ``realtime`` if offered, never one that holds a key."""
    return "realtime" if "realtime" in offered else None


def key_id(key: str) -> str:
    """Return the public name of a static key, the same on every start."""
    return "key_" + hashlib.sha256(b"antiphon key id\0" + key.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def is_loopback(host: str) -> bool:
    """Return whether ``host`` (a name or an address without port or brackets) is a loopback one."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_exposure(host: str, *, is_open: bool) -> None:
    """Raise `InvalidRequest` when an open server is about to listen beyond this machine."""
    if is_open and not is_loopback(host):
        raise InvalidRequest(
            f"Refusing to listen on {host} without a key: set ANTIPHON_API_KEYS, or listen on 127.0.0.1.",
            code="key_required",
            param="host",
        )


class _Headers:
    """The headers of an ASGI scope, by lower-case name."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = tuple(raw)

    def all(self, name: bytes) -> list[str]:
        return [_text(value) for key, value in self._raw if key == name]

    def first(self, name: bytes) -> str:
        return next(iter(self.all(name)), "")


def _find_key(headers: _Headers, subprotocols: Sequence[str], query: bytes) -> str:
    """Return the first key found in the headers, the subprotocols and the query, in this order."""
    scheme, _, bearer = headers.first(b"authorization").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    for name in (b"x-api-key", b"api-key"):
        if value := headers.first(name).strip():
            return value
    for offered in subprotocols:
        if offered.startswith(KEY_SUBPROTOCOL):
            return offered.removeprefix(KEY_SUBPROTOCOL)
    return _key_in_query(query)


def _key_in_query(query: bytes) -> str:
    try:
        fields = dict(reversed(parse_qsl(_text(query), max_num_fields=100, errors="surrogateescape")))
    except ValueError:
        return ""  # more fields than any client sends
    return next((fields[name] for name in _QUERY_NAMES if fields.get(name)), "")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _split_host(host: str) -> tuple[str, int | None]:
    """Split ``name:port`` or ``[v6]:port``; an invalid one gives an empty name."""
    if any(sign in host for sign in "/@\\ \t,?#"):
        return "", None
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return "", None
    return parts.hostname or "", port


def _same_origin(origin: str) -> str:
    """Return the normal form of an origin: lower case, without the default port of its scheme."""
    text = origin.strip().rstrip("/").lower()
    scheme, _, authority = text.partition("://")
    return text.removesuffix(f":{port}") if authority and (port := _DEFAULT_PORTS.get(scheme)) else text
