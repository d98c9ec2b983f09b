"""Received data that is not handled yet: the messages of one connection, and the memory of all connections."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from antiphon.doors.server.frames import LongText

_OVERLOADED = 1013
"""Close code: try again later."""


class ByteHolder(Protocol):
    """A connection that holds received bytes."""

    held_bytes: int
    """Bytes counted for it."""

    def fail(self, code: int, reason: str) -> None:
        """Release everything, and close."""
        ...


class ReceivedBytes:
    """Bounds the received bytes that no application has finished with, over all connections.

    Above ``limit`` bytes the connections that have held bytes for the longest are closed.
    """

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = limit
        self._holders: dict[ByteHolder, None] = {}

    def update(self, holder: ByteHolder, held_bytes: int) -> None:
        """Set the number of bytes that a connection holds."""
        before = holder.held_bytes
        holder.held_bytes = held_bytes
        self.total += held_bytes - before
        if not held_bytes:
            self._holders.pop(holder, None)
        elif not before:
            self._holders[holder] = None
        while self.total > self._limit and held_bytes > before:
            next(iter(self._holders)).fail(_OVERLOADED, "the server holds too much unhandled input")


class Inbox:
    """ASGI messages for one application: a queue for one reader, cheaper than `asyncio.Queue`."""

    __slots__ = ("_messages", "_taken", "_waiter", "bytes", "taken_bytes")

    def __init__(self) -> None:
        self.bytes = 0
        """Weight of the waiting messages."""
        self.taken_bytes = 0
        """Weight of the message that the application handles now, until it asks for the next one."""
        self._messages: deque[tuple[dict[str, Any], int]] = deque()
        self._taken: dict[str, Any] = {}
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def put_nowait(self, message: dict[str, Any], weight_bytes: int = 0) -> None:
        self._messages.append((message, weight_bytes))
        self.bytes += weight_bytes
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def get(self) -> dict[str, Any]:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._taken, self.taken_bytes = self._messages.popleft()
        self.bytes -= self.taken_bytes
        return self._taken

    def done(self) -> None:
        """The message taken last is handled."""
        self._taken, self.taken_bytes = {}, 0

    def clear(self) -> None:
        """Drop the messages of the client, and keep the one of its disconnect."""
        if isinstance(text := self._taken.get("text"), LongText):
            text.drop()
        self._messages = deque((one, weight) for one, weight in self._messages if not weight)
        self.bytes = 0
        self.done()
