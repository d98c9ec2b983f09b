"""A connection to Redis or Valkey: a single server, Sentinel or a cluster; scripts by their files."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import structlog
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff

from antiphon.errors import InvalidRequest, ProviderUnavailable

Argument = str | bytes | int | float

_PAUSE_S = 0.5
"""Longest pause between two attempts to reach Redis; with full jitter half of it on average."""
_SILENT_S = 2.0
"""A subscription without a message for so long is asked whether it is still there."""
_SHORT_PATIENCE_S = 1.0
"""Longest wait for a command while Redis is known to be away: whoever talks must not wait for each one in turn."""
_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, exceptions.ReadOnlyError)
_SCHEMES = "redis://, rediss://, unix://, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE or redis+cluster://HOST:PORT"

_log = structlog.get_logger("antiphon.redis")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua file, and what Redis calls it."""

    text: str
    sha: str

    @classmethod
    def load(cls, package: str, name: str) -> Script:
        """Read ``name``.lua, which lies beside the modules of ``package``."""
        text = resources.files(package).joinpath(f"{name}.lua").read_text("utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisConnection:
    """Commands to Redis, tried again with full jitter while it is away for less than about ``patience_s``.

    What then still fails raises `ProviderUnavailable`. A command whose answer got lost is sent again: it must bear to
    be carried out twice.
    """

    def __init__(self, url: str, *, most: int = 50, patience_s: float = 5.0) -> None:
        """Prepare connections, at most ``most`` at a time, without opening one. Raises `InvalidRequest`."""
        self._url = url
        self._patience_s = patience_s
        self._client = _client(url, most)
        self._since = time.monotonic()
        self._answers = self._listens = True

    @property
    def reachable_since(self) -> float | None:
        """On the monotonic clock; None while commands fail or a subscription cannot be kept."""
        return self._since if self._answers and self._listens else None

    def _note(self, *, answers: bool | None = None, listens: bool | None = None) -> None:
        was_reachable = self._answers and self._listens
        self._answers = self._answers if answers is None else answers
        self._listens = self._listens if listens is None else listens
        if not was_reachable and self._answers and self._listens:
            self._since = time.monotonic()

    async def run(self, script: Script, keys: Sequence[str], *arguments: Argument) -> Any:
        """Run a script; all ``keys`` lie in one slot."""
        async with self._patience():
            try:
                return await self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except exceptions.NoScriptError:
                return await self._client.execute_command("EVAL", script.text, len(keys), *keys, *arguments)

    async def command(self, *words: Argument) -> Any:
        """Run one command."""
        async with self._patience():
            return await self._client.execute_command(*words)

    async def batch(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run commands in one go, each by itself; the slots may differ."""
        async with self._patience():
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            return await pipeline.execute()

    async def listen(self, channels: Collection[str]) -> AsyncGenerator[tuple[str, str] | None]:
        """Yield ``(channel, message)``, endlessly, and None whenever the subscription was made, also anew."""
        pause = FullJitterBackoff(_PAUSE_S, 0.02)
        failures = 0
        while True:
            client = _client(self._url, 2, retries=0)  # a connection that is made anew behind our back misses messages
            pubsub = client.pubsub()
            try:
                async with asyncio.timeout(self._patience_s):  # who takes the connection may never say a word
                    await client.initialize()  # a cluster's chooses a node for the subscription, and has to know some
                    await pubsub.subscribe(*channels)
                self._note(answers=True, listens=True)
                yield None
                failures = 0
                async for heard in _messages(pubsub):
                    self._note(answers=True, listens=True)
                    if heard is not None:
                        yield heard
            except (exceptions.RedisError, OSError) as error:
                failures += 1
                self._note(listens=False)
                if failures == 1:
                    _log.warning("redis sends no wake-ups", error=repr(error))
                await asyncio.sleep(pause.compute(failures))
            finally:
                await pubsub.aclose()
                await _close(client)

    @asynccontextmanager
    async def _patience(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._patience_s if self._answers else min(self._patience_s, _SHORT_PATIENCE_S)):
                yield
        except (exceptions.RedisError, OSError) as error:  # TimeoutError is an OSError
            self._note(answers=isinstance(error, exceptions.ResponseError))
            raise ProviderUnavailable(f"Redis cannot be used: {error!r}", code="redis_unavailable") from error
        self._note(answers=True)

    async def close(self) -> None:
        """Close all connections."""
        await _close(self._client)


async def _messages(pubsub: Any) -> AsyncGenerator[tuple[str, str] | None]:
    """Yield what comes, None for a pong; a connection on which not even that comes raises `ConnectionError`."""
    is_asked = False
    while True:
        message = await pubsub.get_message(timeout=_SILENT_S)
        if message is None and is_asked:
            raise exceptions.ConnectionError("the subscription is silent")
        if message is None:
            await pubsub.ping()
        elif message["type"] == "message":
            yield message["channel"].decode(), message["data"].decode()
        elif message["type"] == "pong":
            yield None
        is_asked = message is None


async def _close(client: Any) -> None:
    """Close a client, and those by which it asks who the master is."""
    await client.aclose()
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in getattr(manager, "sentinels", ()):
        await sentinel.aclose()


def _client(url: str, most: int, retries: int = -1) -> Any:
    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(FullJitterBackoff(_PAUSE_S, 0.02), retries),  # for ever: our own patience ends it
        "retry_on_error": list(_AWAY),
        "socket_timeout": None,  # with one of its own the library loses cancellations (seen with 8.1 on Python 3.11)
        "health_check_interval": 15,
    }
    scheme, _, rest = url.partition("://")
    try:
        if scheme == "redis+sentinel":
            hosts, _, service = rest.partition("/")
            nodes = [
                (part.hostname, part.port or 26379) for host in hosts.split(",") if (part := urlsplit(f"//{host}"))
            ]
            return Sentinel(nodes, **options).master_for(service or "mymaster", **options)
        if scheme == "redis+cluster":
            parts = urlsplit(f"//{rest}")
            options["retry"] = Retry(FullJitterBackoff(_PAUSE_S, 0.02), 50)  # it takes no "for ever"
            return RedisCluster(parts.hostname, parts.port or 6379, password=parts.password, **options)
        return Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=most, **options))
    except ValueError as error:
        raise InvalidRequest(f"ANTIPHON_REDIS_URL: {error}; {_SCHEMES}", param="ANTIPHON_REDIS_URL") from error
