"""A connection to Redis or Valkey (a single server, Sentinel or a cluster), and its Lua scripts."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import structlog
from redis import exceptions
from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    RedisCluster,
    Sentinel,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff

from antiphon.connections.redis_url import RedisUrl, parse_redis_url
from antiphon.errors import ProviderUnavailable

Argument = str | bytes | int | float

_PAUSE_S = 0.5
"""Longest pause between two attempts to reach Redis; with full jitter half of it on average."""
_SILENT_S = 2.0
"""A subscription without a message for this long is checked with a ping."""
_SHORT_TIMEOUT_S = 1.0
"""Longest wait for a command while Redis is known to be unavailable, so that waits do not add up in a turn."""
_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, exceptions.ReadOnlyError)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua file, and the digest by which Redis knows it."""

    text: str
    sha: str

    @classmethod
    def load(cls, package: str, name: str) -> Script:
        """Read ``name``.lua from the folder of ``package``."""
        text = resources.files(package).joinpath(f"{name}.lua").read_text("utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisConnection:
    """Commands to Redis, retried with full jitter for about ``timeout_s``.

    After that they raise `ProviderUnavailable`. A command whose reply was lost is sent again: it has to be idempotent.
    """

    def __init__(self, url: str, *, most: int = 50, timeout_s: float = 5.0) -> None:
        """Prepare a pool of at most ``most`` connections, without opening one. Raises `InvalidRequest`."""
        self._url = parse_redis_url(url)
        self._timeout_s = timeout_s
        self._client = _client(self._url, most)
        if self._url.is_exposed:
            _log.warning("redis is used over a network without password and TLS")
        self._since = time.monotonic()
        self._answers = self._listens = True

    @property
    def reachable_since(self) -> float | None:
        """Monotonic time since when Redis is reachable; None while commands or a subscription fail."""
        return self._since if self._answers and self._listens else None

    def _note(self, *, answers: bool | None = None, listens: bool | None = None) -> None:
        was_reachable = self._answers and self._listens
        self._answers = self._answers if answers is None else answers
        self._listens = self._listens if listens is None else listens
        if not was_reachable and self._answers and self._listens:
            self._since = time.monotonic()

    async def run(self, script: Script, keys: Sequence[str], *arguments: Argument) -> Any:
        """Run a script; all ``keys`` have to be in one slot."""
        async with self._timeout():
            try:
                return await self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except exceptions.NoScriptError:
                return await self._client.execute_command("EVAL", script.text, len(keys), *keys, *arguments)

    async def command(self, *words: Argument) -> Any:
        """Run one command."""
        async with self._timeout():
            return await self._client.execute_command(*words)

    async def batch(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run independent commands in one round trip; their slots may differ."""
        async with self._timeout():
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            return await pipeline.execute()

    async def info(self, section: str) -> list[Mapping[str, Any]]:
        """Return a section of INFO of every master; an empty list where INFO is forbidden."""
        async with self._timeout():
            try:
                if self._url.kind != "cluster":
                    return [await self._client.info(section)]
                await self._client.initialize()  # discovers the nodes
                return [await self._client.info(section, target_nodes=one) for one in self._client.get_primaries()]
            except exceptions.ResponseError:
                return []

    async def listen(self, channels: Collection[str]) -> AsyncGenerator[tuple[str, str] | None]:
        """Yield ``(channel, message)``, endlessly, and None after every subscription and resubscription."""
        pause = FullJitterBackoff(_PAUSE_S, 0.02)
        failures = 0
        while True:
            client = _client(self._url, 2, retries=0)  # a silent reconnect would miss messages
            pubsub = client.pubsub()
            try:
                async with asyncio.timeout(self._timeout_s):  # the server may accept and never answer
                    await client.initialize()  # the cluster client has to know nodes to subscribe
                    await pubsub.subscribe(*channels)
                self._note(answers=True, listens=True)
                yield None
                failures = 0
                async for message in _messages(pubsub):
                    self._note(answers=True, listens=True)
                    if message is not None:
                        yield message
            except (exceptions.RedisError, OSError) as error:
                failures += 1
                self._note(listens=False)
                if failures == 1:
                    _log.warning("redis subscription failed", error=repr(error))
                await asyncio.sleep(pause.compute(failures))
            finally:
                await pubsub.aclose()
                await _close(client)

    @asynccontextmanager
    async def _timeout(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._timeout_s if self._answers else min(self._timeout_s, _SHORT_TIMEOUT_S)):
                yield
        except (exceptions.RedisError, OSError) as error:  # TimeoutError is an OSError
            self._note(answers=isinstance(error, exceptions.ResponseError))
            raise ProviderUnavailable("Redis is unavailable", code="redis_unavailable", detail=repr(error)) from error
        self._note(answers=True)

    async def close(self) -> None:
        """Close all connections."""
        await _close(self._client)


@asynccontextmanager
async def opened(url: str, *, timeout_s: float) -> AsyncGenerator[RedisConnection]:
    """Yield a connection that is closed with the context. Raises `InvalidRequest`."""
    connection = RedisConnection(url, timeout_s=timeout_s)
    try:
        yield connection
    finally:
        await connection.close()


async def _messages(pubsub: Any) -> AsyncGenerator[tuple[str, str] | None]:
    """Yield messages, and None for a pong; a connection without a pong raises `ConnectionError`."""
    is_asked = False
    while True:
        message = await pubsub.get_message(timeout=_SILENT_S)
        if message is None and is_asked:
            raise exceptions.ConnectionError("the subscription is silent")
        if message is None:
            await pubsub.ping()
        elif message["type"] == "message":
            yield message["channel"].decode(), message["data"].decode(errors="replace")
        elif message["type"] == "pong":
            yield None
        is_asked = message is None


async def _close(client: Any) -> None:
    """Close a client, and its connections to sentinels."""
    await client.aclose()
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in getattr(manager, "sentinels", ()):
        await sentinel.aclose()


def _client(url: RedisUrl, most: int, retries: int = -1) -> Any:
    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(
            FullJitterBackoff(_PAUSE_S, 0.02), retries
        ),  # unlimited: the timeout of `RedisConnection` ends it
        "retry_on_error": list(_AWAY),
        "socket_timeout": None,  # with a timeout, redis-py loses cancellations (8.1 on Python 3.11)
        "health_check_interval": 15,
        **url.tls,
    }
    match url.kind:
        case "sentinel":
            sentinels = Sentinel(url.hosts, sentinel_kwargs={**options, **url.sentinel_login})
            return sentinels.master_for(url.service, db=url.database, **options, **url.login)
        case "cluster":
            options["retry"] = Retry(FullJitterBackoff(_PAUSE_S, 0.02), 50)  # unlimited is not supported
            nodes = [ClusterNode(host, port) for host, port in url.hosts]
            return RedisCluster(startup_nodes=nodes, **options, **url.login)
        case "server":
            return Redis.from_pool(BlockingConnectionPool(max_connections=most, **_server(url, options)))


def _server(url: RedisUrl, options: dict[str, Any]) -> dict[str, Any]:
    """Return the pool options of a single server."""
    shared = {"db": url.database, **url.login}
    if url.path:
        return {**options, **shared, "connection_class": UnixDomainSocketConnection, "path": url.path}
    (host, port), *_ = url.hosts
    options.pop("ssl", None)  # the class implies it
    kind = SSLConnection if url.tls else Connection
    return {**options, **shared, "connection_class": kind, "host": host, "port": port}
