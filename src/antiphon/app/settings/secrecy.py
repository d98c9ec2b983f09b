"""Which settings are secrets, and which let more in than the defaults do."""

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
    """Yield what lets more in, or keeps more, than the defaults do, each as the name of its variable and a sentence.

    Names that other software in the same container may use as well are read with our prefix only.
    """
    for name in _WITH_PREFIX_ONLY:
        if name in os.environ:
            yield name, f"is not read: write ANTIPHON_{name} if it is meant for this server"
    if settings.api_keys and not settings.dubbing_require_auth:
        yield (
            "ANTIPHON_DUBBING_REQUIRE_AUTH",
            "lets dubbing workers in without a key, from wherever they reach the port",
        )
    if "*" in settings.allowed_origins:
        yield "ANTIPHON_ALLOWED_ORIGINS", "lets the pages of all origins call this server"
    path = os.environ.get(CONFIG)
    if path and others_may_read(Path(path).expanduser()):
        held = read_file()
        found = {name for name, secret in _secrets(settings) if name in held and (name != "redis_url" or "@" in secret)}
        if found:
            yield CONFIG, f"holds {', '.join(sorted(found))}, and other users may read it: chmod 600 {path}"


def others_may_read(path: Path) -> bool:
    """Return whether the group or everybody may read a file; of one that is not there its readers will complain."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def secrets_of(*sections: Section) -> frozenset[str]:
    """Return every secret among the settings, so that logs can hide it by its value."""
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
    """Return those of a URL that can be read; one that cannot is refused later, by name, and is a secret as a whole."""
    with suppress(InvalidRequest):
        redis = parse_redis_url(url)
        return {login.get("password", "") for login in (redis.login, redis.sentinel_login)}
    return set()


def _secrets(section: Section) -> Iterator[tuple[str, str]]:
    """Yield every secret behind the name of its setting."""
    for name, value in section:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                yield name, one.get_secret_value()
