"""What waits to be written to one client, and the fence that stands where bytes are written."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Wire(Protocol):
    """Where frames go."""

    def write(self, text: bytes) -> bool:
        """Write a frame at once and return True, or False when `send_text` has to wait for the client."""
        ...

    async def send_text(self, text: bytes) -> None:
        """Write a frame as soon as the client reads. Raises `OSError` when it has left."""
        ...

    def give_up(self) -> None:
        """The client does not read."""
        ...


class Outbox:
    """Frames in order: written at once, or by a task that exists only while the client has to be waited for.

    `is_full` asks producers to wait for `room`. A client that takes nothing for ``stall_s``, or that lets twice the
    limit pile up, is given up: nothing is written any more.
    """

    def __init__(self, group: asyncio.TaskGroup, wire: Wire, *, limit_bytes: int, stall_s: float) -> None:
        self._group = group
        self._wire = wire
        self._limit = limit_bytes
        self._stall_s = stall_s
        self._frames: deque[tuple[bytes, str]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._queued = self._left = 0
        """How many frames had to wait so far, and how many of them were written or dropped since."""
        self._progress: asyncio.Event | None = None
        self._given_up = False

    def put(self, frame: bytes, fence: str = "") -> None:
        """Queue a frame; ``fence`` names the response whose audio it carries."""
        if self._given_up or (self._task is None and self._wire.write(frame)):
            return
        self._frames.append((frame, fence))
        self._bytes += len(frame)
        self._queued += 1
        if self._bytes > 2 * self._limit:
            self._give_up()
        elif self._task is None:
            self._task = self._group.create_task(self._write(), name="realtime writer")

    def fence(self, response_id: str) -> None:
        """Drop the audio of a response that is queued and not yet written."""
        kept = [entry for entry in self._frames if entry[1] != response_id]
        self._left += len(self._frames) - len(kept)
        self._frames = deque(kept)
        self._bytes = sum(len(frame) for frame, _ in kept)
        self._wake()

    @property
    def is_full(self) -> bool:
        """True when producers should wait for `room`."""
        return self._bytes > self._limit

    async def room(self) -> None:
        """Return when the queue is below its limit."""
        while self._bytes > self._limit and not self._given_up:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    async def flushed(self) -> None:
        """Return when everything queued so far is written, or the client was given up."""
        goal = self._queued
        while self._left < goal and not self._given_up:
            self._progress = self._progress or asyncio.Event()
            await self._progress.wait()

    async def _write(self) -> None:
        try:
            while self._frames:
                frame, _ = self._frames.popleft()
                self._bytes -= len(frame)
                async with asyncio.timeout(self._stall_s):
                    await self._wire.send_text(frame)
                self._left += 1
                self._wake()
        except TimeoutError:
            self._give_up()
        except OSError:
            self._forget()  # the client has left, and whoever reads from it hears so
        finally:
            self._task = None

    def _give_up(self) -> None:
        if not self._given_up:
            self._forget()
            self._wire.give_up()

    def _forget(self) -> None:
        self._given_up = True
        self._frames.clear()
        self._bytes = 0
        self._wake()

    def _wake(self) -> None:
        if self._room is not None and self._bytes <= self._limit:
            self._room.set()
            self._room = None
        if self._progress is not None:
            self._progress.set()
            self._progress = None
