"""Runs queued work items in order, in a task that exists only while the queue is non-empty."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SerialTasks(Generic[T]):
    """Gives items to ``work`` in order. A failing ``work`` ends the task group."""

    def __init__(self, group: asyncio.TaskGroup, name: str, work: Callable[[T], Awaitable[None]]) -> None:
        self._group = group
        self._name = name
        self._work = work
        self._items: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> None:
        """Queue an item."""
        self._items.append(item)
        if self._task is None or self._task.done():
            self._task = self._group.create_task(self._run(), name=self._name)

    async def _run(self) -> None:
        while self._items:
            await self._work(self._items.popleft())
        self._task = None

    def cancel(self) -> None:
        """Drop all queued items and cancel the running one."""
        self._items.clear()
        if self._task is not None:
            self._task.cancel()
