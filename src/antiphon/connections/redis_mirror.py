"""Mirrors events of sessions on Redis' pub/sub, from a bounded queue; messages are dropped without Redis."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import msgspec
import structlog

from antiphon.clock import Clock
from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.observe.failures import error_fields
from antiphon.observe.tasks import unattended

_MOST_BYTES = 4 * 2**20
"""Bound of waiting messages; more are dropped."""
_MESSAGE_BYTES = 200
"""Overhead of a message besides its text."""
_AT_ONCE = 100

_log = structlog.get_logger(__name__)


class RedisMirror:
    """A `Mirror` with its own connection, whose failures do not count as failures of Redis."""

    def __init__(
        self, connection: RedisConnection, clock: Clock, on_dropped: Callable[[int], None] = lambda _: None
    ) -> None:
        """``on_dropped`` gets the number of dropped messages."""
        self._connection = connection
        self._clock = clock
        self._on_dropped = on_dropped
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False

    def tell(self, channel: str, tenant: str, session_id: str, message: Mapping[str, object]) -> None:
        """Queue a message; it is dropped when the queue is full."""
        about = {
            "session_id": session_id,
            "tenant_id": tenant,
            "correlation_id": session_id,
            "timestamp": self._clock.wall(),
        }
        data = msgspec.json.encode({**message, **about})
        if self._bytes + _size(data) > _MOST_BYTES:
            self._on_dropped(1)
            return
        self._bytes += _size(data)
        self._waiting.append((f"{channel}:{session_id}", data))
        self._news.set()

    def start(self) -> None:
        """Publish from now on."""
        self._task = unattended(self._run(), name="redis mirror")

    async def close(self) -> None:
        """Stop; waiting messages are dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._connection.close()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._publish([self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))])

    async def _publish(self, messages: list[tuple[str, bytes]]) -> None:
        self._bytes -= sum(_size(data) for _, data in messages)
        try:
            await self._connection.batch([("PUBLISH", channel, data) for channel, data in messages])
        except ProviderUnavailable as error:
            self._on_dropped(len(messages))
            if not self._is_failing:
                _log.warning("mirror publish failed", **error_fields(error))
            self._is_failing = True
        else:
            self._is_failing = False


def _size(data: bytes) -> int:
    return len(data) + _MESSAGE_BYTES
