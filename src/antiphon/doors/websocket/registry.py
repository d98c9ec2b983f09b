"""All open WebSockets of a process: how many there may be, and their end at a drain."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Generator

from antiphon.doors.access.rate_limits import check_room
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.websocket.connection import GOING_DOWN, Connection
from antiphon.errors import Overloaded, RateLimited
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Account

_CLOSE_TIMEOUT_S = 2.0


class ConnectionRegistry:
    """All open connections of a process, over all doors: counts them, and closes them at a drain."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        most: int = 10_000,
        most_per_key: int | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """``most_per_key`` bounds the connections of one key and the secrets that it has issued; None is no bound.

        ``has_room`` says whether the store that gateways share has room for another session.
        """
        self._metrics = metrics
        self._observe = metrics.message_observer("realtime")
        self._most = most
        self._most_per_key = most_per_key
        self._has_room = has_room
        self._places: Counter[Account] = Counter()
        self._open: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._draining = False

    @contextlib.contextmanager
    def place(self, account: Account) -> Generator[None]:
        """Reserve a connection of a key for the context, before the handshake is accepted.

        Raises `Overloaded` when the process is full or going down, `RateLimited` when the key is at its bound.
        """
        is_full = self._places.total() >= self._most
        if self._draining or is_full:
            if is_full:
                self._metrics.rate_limited("connections")
            raise Overloaded("The server takes no new connections at the moment; try again soon.")
        if self._most_per_key is not None and self._places[account] >= self._most_per_key:
            self._metrics.rate_limited("connections")
            raise RateLimited(
                f"This key has {self._most_per_key} connections, which is the most.", code="too_many_connections"
            )
        self._places[account] += 1
        try:
            yield
        finally:
            self._places[account] -= 1
            if not self._places[account]:
                del self._places[account]

    def check_room(self) -> None:
        """Refuse a new session when the shared store is full; existing ones may be resumed. Raises `Overloaded`."""
        check_room(self._has_room)

    @contextlib.contextmanager
    def connect(self, scope: Scope, receive: Receive, send: Send) -> Generator[Connection]:
        """Yield a connection that counts as long as the context lasts."""
        connection = Connection(scope, receive, send, self._observe)
        self._open.add(connection)
        self._is_empty.clear()
        if self._draining:
            connection.leave()
        self._metrics.connections("realtime", 1)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            if not self._open:
                self._is_empty.set()
            self._metrics.connections("realtime", -1)
            self._metrics.request("realtime", "done")

    async def drain(self, deadline_s: float) -> None:
        """Refuse new connections, wait for answers under way, then close with 1012 so that clients reconnect."""
        self._draining = True
        for connection in list(self._open):
            connection.leave()
        if not await self._emptied(deadline_s):
            for connection in list(self._open):
                connection.hang_up(*GOING_DOWN)
            await self._emptied(_CLOSE_TIMEOUT_S)

    async def _emptied(self, within_s: float) -> bool:
        """Return True as soon as no connection is open, False after ``within_s``."""
        try:
            async with asyncio.timeout(within_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True
