"""Endpoints of webhooks: which URLs may be configured."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_VISIBLE = re.compile(r"[\x21-\x7e]+")
"""Anything else is dropped by some parsers of URLs and kept by others."""
_MOST_CHARACTERS = 2_048
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""A name or an IPv4 address; international names are written in their ASCII form."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that events are sent to."""

    url: str
    """May hold a secret in its path or query: it is in no log and no reason."""
    name: str
    """Its number and its host, for logs and reasons."""


def parse_host(text: str) -> str:
    """Return a host of the allow-list, or a host with a port, in its usual spelling. Raises `ValueError`."""
    if not _VISIBLE.fullmatch(text) or re.search(r"[/\\?#@]", text):
        raise ValueError("write HOST or HOST:PORT, without a scheme or a path")
    parts = _split(f"//{text}")
    return _with_port(_host_of(parts), parts.port)


def parse_endpoints(urls: Sequence[str], hosts: Collection[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints with these URLs.

    The host of each must be among ``hosts``, as `parse_host` returned them: one without a port allows all ports.
    Raises `ValueError`, which names a wrong URL by its number only: it may hold credentials.
    """
    found: list[Endpoint] = []
    for number, url in enumerate(urls, 1):
        try:
            host = _checked(url, hosts)
        except ValueError as error:
            raise ValueError(f"URL {number}: {error}") from None
        if url in urls[: number - 1]:
            raise ValueError(f"URL {number}: it is there twice")
        found.append(Endpoint(url, f"{number}:{host}"))
    return tuple(found)


def _checked(url: str, hosts: Collection[str]) -> str:
    """Return the host of a URL. Raises `ValueError` without any part of the URL."""
    if not _VISIBLE.fullmatch(url) or "\\" in url or len(url) > _MOST_CHARACTERS:
        raise ValueError(f"it is not a URL of at most {_MOST_CHARACTERS} visible ASCII characters")
    parts = _split(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("it does not begin with https://")
    if "@" in parts.netloc:
        raise ValueError("it has a user or a password; the signature shows who sends")
    if "#" in url:
        raise ValueError("it has a fragment, which is never sent")
    host = _host_of(parts)
    if not {host, _with_port(host, parts.port or (443 if parts.scheme == "https" else 80))} & set(hosts):
        raise ValueError("its host is not in ANTIPHON_WEBHOOK_HOSTS")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("http:// is for loopback addresses only, use https://")
    return host


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text repeats the URL
        raise ValueError("it has an invalid host or port") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("it has an invalid port")
    return parts


def _host_of(parts: SplitResult) -> str:
    """Return the host in lower case, an IPv6 address in brackets. Raises `ValueError`."""
    host = parts.hostname or ""
    if "[" in parts.netloc:
        try:
            return f"[{ipaddress.IPv6Address(host).compressed}]"
        except ValueError:
            raise ValueError("it has an invalid IPv6 address") from None
    if not _HOST.fullmatch(host):
        raise ValueError("it has no valid host")
    return host


def _with_port(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
