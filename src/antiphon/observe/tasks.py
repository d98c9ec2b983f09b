"""Tasks that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


def unattended(work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
    """Run ``work`` while everything else goes on; what it raises is logged when it happens.

    The event loop would log it when the task is thrown away, which may be never. Who calls keeps the task: the loop
    only holds a weak reference.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a task failed unexpectedly", task=task.get_name(), exc_info=error)


class TrackedTasks:
    """What is done while everything else goes on, and waited for at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done."""
        task = unattended(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def within(self, most_s: float, work: Coroutine[Any, Any, None]) -> None:
        """Have something done and wait for it, at most ``most_s``; it continues when the waiter is cancelled."""
        await asyncio.wait((self.do(work),), timeout=most_s)

    async def join(self, within_s: float = 10.0) -> None:
        """Return when everything is done, or has failed; what is not done ``within_s`` is cancelled, and logged."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            _log.warning("background tasks did not end in time", task=self._name, count=len(late))
