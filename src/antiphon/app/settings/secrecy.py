"""Secret settings, and settings that weaken the server's defaults."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from pydantic import SecretStr

from antiphon.app.settings.process import Settings
from antiphon.app.settings.source import CONFIG, read_file
from antiphon.connections.redis_url import parse_redis_url
from antiphon.errors import InvalidRequest
from antiphon.ports.settings import Section

_PASSWORD = re.compile(r"://[^/?#@:]*:([^/?#]+)@")
_WITH_PREFIX_ONLY = ("REQUIRE_AUTH", "WS_MAX_CONNECTIONS", "ARTIFACT_CAPTURE", "ARTIFACTS_CAPTURE")


def weakened(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each setting that grants more access than the defaults do: its variable, and a sentence about its effect.

    Names that other software in the same container may also use are read with our prefix only.
    """
    for name in _WITH_PREFIX_ONLY:
        if name in os.environ:
            yield name, f"is not read: write ANTIPHON_{name} if it is meant for this server"
    if settings.api_keys and not settings.dubbing_require_auth:
        yield (
            "ANTIPHON_DUBBING_REQUIRE_AUTH",
            "admits dubbing workers without a key, from every address that reaches the port",
        )
    if "*" in settings.allowed_origins:
        yield "ANTIPHON_ALLOWED_ORIGINS", "allows web pages of all origins to call this server"
    path = os.environ.get(CONFIG)
    if path and others_may_read(Path(path).expanduser()):
        held = read_file()
        found = {name for name, secret in _secrets(settings) if name in held and (name != "redis_url" or "@" in secret)}
        if found:
            yield CONFIG, f"holds {', '.join(sorted(found))}, and other users may read it: chmod 600 {path}"


def others_may_read(path: Path) -> bool:
    """Return whether the group or all users may read a file; False for a missing one."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def secrets_of(*sections: Section) -> frozenset[str]:
    """Return every secret among the settings, so that logs can redact it by its value."""
    secrets: set[str] = set()
    for section in sections:
        for name, secret in _secrets(section):
            secrets.add(secret)
            if name == "secret_key":
                secrets |= {one.strip() for one in secret.split(",")}
            elif name == "redis_url":
                secrets |= _passwords_of_redis(secret)
        urls = [value for _, value in section if isinstance(value, str)]
        secrets |= {unquote(found[1]) for url in urls if (found := _PASSWORD.search(url))}
    return frozenset(secrets - {""})


def _passwords_of_redis(url: str) -> set[str]:
    """Return the passwords in a URL; an invalid URL is refused later, and redacted as a whole."""
    with suppress(InvalidRequest):
        redis = parse_redis_url(url)
        return {login.get("password", "") for login in (redis.login, redis.sentinel_login)}
    return set()


def _secrets(section: Section) -> Iterator[tuple[str, str]]:
    """Yield every secret with the name of its setting."""
    for name, value in section:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                yield name, one.get_secret_value()
