"""Background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


def unattended(work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
    """Run ``work`` in a background task; log its error as soon as it fails.

    The event loop logs it only when the task is garbage-collected. The caller must keep the task: the loop holds a
    weak reference only.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_log_failure)
    return task


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background task failed", task=task.get_name(), exc_info=error)


class TrackedTasks:
    """Tracks background tasks so that shutdown can wait for them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start ``work`` in a tracked task."""
        task = unattended(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def within(self, most_s: float, work: Coroutine[Any, Any, None]) -> None:
        """Start ``work`` and wait for it, at most ``most_s``; it continues if the caller is cancelled."""
        await asyncio.wait((self.do(work),), timeout=most_s)

    async def join(self, within_s: float = 10.0) -> None:
        """Wait for all tasks; those not done ``within_s`` are cancelled, and logged."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            _log.warning("background tasks cancelled after timeout", task=self._name, count=len(late))
