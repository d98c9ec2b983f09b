"""What was received and not yet worked on: messages of one connection, and their memory over all connections."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from antiphon.doors.server.frames import LongText

_OVERLOADED = 1013
"""Close code: try again later."""


class ByteHolder(Protocol):
    """A connection that keeps bytes."""

    held_bytes: int
    """What is counted for it."""

    def fail(self, code: int, reason: str) -> None:
        """Let go of everything, and end."""
        ...


class ReceivedBytes:
    """Memory for what was received and no application is done with, over all connections, at most ``limit`` bytes.

    Beyond it the connections go whose messages or bodies have been incomplete, or under way, for the longest.
    """

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = limit
        self._holders: dict[ByteHolder, None] = {}

    def update(self, holder: ByteHolder, held_bytes: int) -> None:
        """Count what a connection holds now."""
        before = holder.held_bytes
        holder.held_bytes = held_bytes
        self.total += held_bytes - before
        if not held_bytes:
            self._holders.pop(holder, None)
        elif not before:
            self._holders[holder] = None
        while self.total > self._limit and held_bytes > before:
            next(iter(self._holders)).fail(_OVERLOADED, "too much was received and not worked on yet")


class Inbox:
    """ASGI messages for one application: the part of `asyncio.Queue` that is needed, at a fraction of its cost."""

    __slots__ = ("_messages", "_taken", "_waiter", "bytes", "taken_bytes")

    def __init__(self) -> None:
        self.bytes = 0
        """What the messages weigh that wait."""
        self.taken_bytes = 0
        """What the one weighs that was taken last: its application is at it until it comes for the next."""
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
        """The message that was taken last is worked on."""
        self._taken, self.taken_bytes = {}, 0

    def clear(self) -> None:
        """Let go of what the client has said, and leave what was said of its end."""
        if isinstance(text := self._taken.get("text"), LongText):
            text.drop()
        self._messages = deque((one, weight) for one, weight in self._messages if not weight)
        self.bytes = 0
        self.done()
