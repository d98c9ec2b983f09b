"""An exception in a callback of the event loop ends the task group of its connection."""

from __future__ import annotations

import asyncio
from types import TracebackType

import structlog

_log = structlog.get_logger(__name__)


class FailGroupOnError:
    """A context in which an exception ends a task group; the event loop would only log it."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def __enter__(self) -> None:
        """Enter the context."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Raise the exception in a task of the group."""
        if not isinstance(error, Exception):
            return False
        failing = _fail(error)
        try:
            self._group.create_task(failing, name="failed callback")
        except RuntimeError:  # the group is ending, and takes no tasks
            failing.close()
            _log.error("callback failed while its connection ends", exc_info=error)
        return True


async def _fail(error: Exception) -> None:
    raise error
