"""Frames that wait to be written to one client: bounded, held back by gates, and fenced by response."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_SLOWEST_BYTES_PER_S = 128 * 2**10
"""Slowest rate at which a client may take a large frame."""


class Wire(Protocol):
    """The connection to the client."""

    def write(self, text: bytes) -> bool:
        """Write a frame at once and return True, or False when `send_text` has to wait for the client."""
        ...

    async def send_text(self, text: bytes) -> None:
        """Write a frame as soon as the client reads. Raises `OSError` when it has left."""
        ...

    def abort(self) -> None:
        """Disconnect a client that does not read."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A queued frame."""

    make: bytes | Callable[[], bytes]
    size_bytes: int
    fence: str = ""
    ticks: int = 0
    behind: int = 0
    """Number of the gate that must be open before it is written."""


class SendQueue:
    """Writes frames in order: at once, or by a task that exists only while the client does not keep up.

    When `is_full` is true, producers wait for `room`. A client that reads nothing for ``stall_s``, or for which twice
    the limit is queued, is disconnected. For this, a single large frame counts as half the limit: the client has asked
    for it. Speech does not count: it waits for room before it is made, and speech that a turn held back is queued at
    once. Frames that must not be sent before a save wait behind a gate.
    """

    def __init__(self, group: asyncio.TaskGroup, wire: Wire, *, limit_bytes: int, stall_s: float) -> None:
        self._group = group
        self._wire = wire
        self._limit = limit_bytes
        self._stall_s = stall_s
        self._frames: deque[_Waiting] = deque()
        self._bytes = self._weight = 0
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._queued = self._left = 0
        """Numbers of frames that were queued so far, and that have left the queue."""
        self._progress: asyncio.Event | None = None
        self._is_abandoned = False
        self._gate = self._opened = 0
        """Numbers of the last gate that was closed, and of the last that was opened."""

    def put(self, frame: bytes, fence: str = "", ticks: int = 0) -> None:
        """Queue a frame; ``fence`` is the response of which it carries ``ticks`` of audio."""
        is_free = not self._frames and self._task is None and self._gate <= self._opened
        if self._is_abandoned or (is_free and self._wire.write(frame)):
            return
        self._queue(_Waiting(frame, len(frame), fence, ticks, self._gate))

    def put_later(self, make: Callable[[], bytes], size_bytes: int) -> None:
        """Queue a frame of about this size, which a thread makes when it is about to be written."""
        if not self._is_abandoned:
            self._queue(_Waiting(make, size_bytes, behind=self._gate))

    def shut(self, gate: int) -> None:
        """Hold back all frames from now on until `open_up` opens this gate; the numbers of gates grow."""
        self._gate = gate

    def open_up(self, gate: int) -> None:
        """Release the frames behind this gate and earlier ones."""
        self._opened = max(self._opened, gate)
        while self._task is None and self._frames and self._may_pass():
            waiting = self._frames[0]
            if not isinstance(waiting.make, bytes) or not self._wire.write(waiting.make):
                self._task = self._group.create_task(self._write(), name="realtime writer")
                return
            self._frames.popleft()
            self._count(waiting, -1)
            self._left += 1
        self._wake()

    def _may_pass(self) -> bool:
        return self._frames[0].behind <= self._opened

    def _queue(self, waiting: _Waiting) -> None:
        self._frames.append(waiting)
        self._count(waiting, 1)
        self._queued += 1
        if self._weight > 2 * self._limit:
            self._abort()
        elif self._task is None and self._may_pass():
            self._task = self._group.create_task(self._write(), name="realtime writer")

    def _count(self, waiting: _Waiting, sign: int) -> None:
        self._bytes += sign * waiting.size_bytes
        if not waiting.ticks:
            self._weight += sign * min(waiting.size_bytes, self._limit // 2)

    def fence(self, response_id: str) -> int:
        """Drop the queued audio of a response; returns its ticks."""
        dropped = [waiting for waiting in self._frames if waiting.fence == response_id]
        if dropped:
            self._frames = deque(waiting for waiting in self._frames if waiting.fence != response_id)
            self._left += len(dropped)
            for waiting in dropped:
                self._count(waiting, -1)
        self._wake()
        return sum(waiting.ticks for waiting in dropped)

    @property
    def is_full(self) -> bool:
        """True when producers should wait for `room`."""
        return self._bytes > self._limit

    @property
    def is_held(self) -> bool:
        """True when more than the limit waits behind a gate rather than for the client."""
        return self.is_full and self._task is None and bool(self._frames) and not self._may_pass()

    async def room(self) -> None:
        """Return when the queue is below its limit."""
        while self._bytes > self._limit and not self._is_abandoned:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    async def flushed(self) -> None:
        """Return when all frames queued so far are written or dropped."""
        goal = self._queued
        while self._left < goal and not self._is_abandoned:
            self._progress = self._progress or asyncio.Event()
            await self._progress.wait()

    async def _write(self) -> None:
        try:
            while self._frames and self._may_pass():
                waiting = self._frames.popleft()
                self._count(waiting, -1)
                frame = waiting.make if isinstance(waiting.make, bytes) else await asyncio.to_thread(waiting.make)
                async with asyncio.timeout(self._timeout_s(len(frame))):
                    await self._wire.send_text(frame)
                self._left += 1
                self._wake()
        except TimeoutError:
            self._abort()
        except OSError:
            self._forget()  # the client has left; the reader is told
        finally:
            self._task = None

    def _timeout_s(self, size_bytes: int) -> float:
        return self._stall_s + max(0, size_bytes - self._limit) / _SLOWEST_BYTES_PER_S

    def _abort(self) -> None:
        if not self._is_abandoned:
            self._forget()
            self._wire.abort()

    def abandon(self) -> None:
        """Write no further frames: another connection serves this client."""
        self._forget()

    def _forget(self) -> None:
        self._is_abandoned = True
        self._frames.clear()
        self._bytes = self._weight = 0
        self._wake()

    def _wake(self) -> None:
        if self._room is not None and self._bytes <= self._limit:
            self._room.set()
            self._room = None
        if self._progress is not None:
            self._progress.set()
            self._progress = None
