"""The URL of a Redis server, of sentinels or of a cluster. Every part is used, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from antiphon.errors import InvalidRequest

Kind = Literal["server", "sentinel", "cluster"]

SETTING = "ANTIPHON_REDIS_URL"
_KINDS: dict[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "redis+sentinel": ("sentinel", False),
    "redis+sentinels": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "redis+clusters": ("cluster", True),
}
_PORTS: dict[Kind, int] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_FORMS = (
    "redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], unix://[USER:PASSWORD@]/PATH[?db=DATABASE], "
    "redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE] and "
    "redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT; rediss, redis+sentinels and redis+clusters are the same "
    "over TLS"
)
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_DROPPED = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that the library silently removes from a URL."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The parts of a URL."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    """Empty where ``path`` is given."""
    path: str = ""
    """Of a Unix socket."""
    database: int = 0
    service: str = ""
    """Name of the master at the sentinels."""
    login: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """``username`` and ``password``, as far as given."""
    sentinel_login: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """For the sentinels themselves: the same, unless the URL has ``sentinel_username`` and ``sentinel_password``."""
    tls: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of the client: with TLS the certificate and its host name are always verified."""

    @property
    def is_exposed(self) -> bool:
        """True for a remote host without password and TLS."""
        is_local = self.path or all(_is_local(host) for host, _ in self.hosts)
        return not (is_local or self.tls or self.login.get("password"))


def parse_redis_url(url: str) -> RedisUrl:
    """Parse a URL. Raises `InvalidRequest` with param ``ANTIPHON_REDIS_URL``, without any part of the password."""
    try:
        return _parse(url.strip())
    except _Refused as refused:
        why = str(refused)
    except ValueError:  # the library's message may hold part of a password
        why = "it is not a URL"
    raise InvalidRequest(f"{SETTING}: {why}. It takes {_FORMS}.", param=SETTING)


class _Refused(ValueError):
    """The reason of a refusal, without parts of the URL's password."""


def _parse(url: str) -> RedisUrl:
    parts = _split(url)
    options = _options(parts.query)
    if parts.scheme == "unix":
        return _socket(parts, options)
    kind, has_tls = _KINDS[parts.scheme]
    login, authority = _login(parts.netloc)
    hosts = tuple(_host(host, _PORTS[kind]) for host in authority.split(","))
    if kind == "server" and len(hosts) > 1:
        raise _Refused("several hosts are sentinels or a cluster")
    names = _names(parts.path)
    service = names.pop(0) if kind == "sentinel" and names else ""
    database = _database(names, options, kind)
    tls = {name: options.pop(name) for name in sorted(options.keys() & _TLS_OPTIONS)} if has_tls else {}
    sentinel_login = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in sorted(options.keys() & _SENTINEL_OPTIONS)
        if kind == "sentinel"
    }
    _refuse_rest(options)
    if "" in tls.values():
        raise _Refused("an option is empty")
    return RedisUrl(
        kind,
        hosts,
        database=database,
        service=service or ("mymaster" if kind == "sentinel" else ""),
        login=login,
        sentinel_login={name: value for name, value in {**login, **sentinel_login}.items() if value},
        tls={"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **tls} if has_tls else {},
    )


def _split(url: str) -> SplitResult:
    if _DROPPED.search(url):
        raise _Refused("it holds a control character")
    parts = urlsplit(url)
    if parts.scheme != "unix" and parts.scheme not in _KINDS:
        raise _Refused("the scheme is not known")
    if "#" in url:
        raise _Refused("'#' has to be written as %23")
    if "@" in parts.path + parts.query:  # an option's name could be part of a password
        raise _Refused("'/', '?' and '@' of a password have to be written as %2F, %3F and %40")
    return parts


def _socket(parts: SplitResult, options: dict[str, str]) -> RedisUrl:
    login, authority = _login(parts.netloc)
    if authority or not parts.path.strip("/"):
        raise _Refused("a Unix socket has a path and no host")
    database = _database([], options, "server")
    _refuse_rest(options)
    return RedisUrl("server", path=_unquoted(parts.path), database=database, login=login)


def _names(path: str) -> list[str]:
    if not path.strip("/"):
        return []
    names = path.removeprefix("/").removesuffix("/").split("/")
    if "" in names:
        raise _Refused("a part of the path is empty")
    return [_unquoted(name) for name in names]


def _options(query: str) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    options = dict(given)
    if len(options) < len(given):
        raise _Refused("an option is given twice")
    return options


def _unquoted(text: str) -> str:
    return unquote(text, errors="strict")


def _login(netloc: str) -> tuple[dict[str, str], str]:
    """Return user name and password, unquoted, and the rest."""
    words, separator, authority = netloc.rpartition("@")
    if not separator:
        return {}, authority
    user, has_password, password = words.partition(":")
    if not has_password:  # as redis-cli and the client read it
        raise _Refused("a user name comes with a password, as USER:PASSWORD@; a password alone as :PASSWORD@")
    if not password:
        raise _Refused("the password is empty")
    named = {"username": _unquoted(user), "password": _unquoted(password)}
    return {name: value for name, value in named.items() if value}, authority


def _host(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port
    except ValueError:
        raise _Refused("a port is not a number") from None
    if not parts.hostname:
        raise _Refused("a host is missing")
    return parts.hostname, default_port if port is None else port


def _database(names: list[str], options: dict[str, str], kind: Kind) -> int:
    named = options.pop("db", None)
    given = [*names, *([] if named is None else [named])]
    if len(given) > 1:
        raise _Refused("there is more than one path")
    if not given:
        return 0
    if not (given[0].isascii() and given[0].isdigit()):
        raise _Refused("the database is not a number")
    if kind == "cluster" and int(given[0]):
        raise _Refused("a cluster has database 0 alone")
    return int(given[0])


def _refuse_rest(options: Mapping[str, str]) -> None:
    if options:
        raise _Refused(f"the option '{min(options)}' is not known here")


def _is_local(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
