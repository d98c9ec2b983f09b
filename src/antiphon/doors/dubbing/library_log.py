"""Logs exceptions inside the Socket.IO library, without client data and with a rate limit."""

from __future__ import annotations

import logging
import traceback

import structlog

from antiphon.clock import Clock

_EVERY_S = 60.0
"""Least time between two lines about the same place in the library: a client can make it fail with every packet."""
_FRAMES = 3
"""Number of innermost stack frames in a line."""

_log = structlog.get_logger(__name__)


def library_log(clock: Clock) -> logging.Logger:
    """Return a logger for the library."""
    # below ERROR the library logs every packet with its content
    logger = logging.Logger("socketio", logging.ERROR)  # noqa: LOG001 -- lives as long as its server
    logger.addHandler(_Faults(clock))
    return logger


class _Faults(logging.Handler):
    """Logs exceptions only; errors without one are requests that the library refused."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(logging.ERROR)
        self._clock = clock
        self._told: dict[tuple[str, int], float] = {}
        self._untold: dict[tuple[str, int], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log the type of an exception and its place; its message may contain client data."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        place, now = (record.pathname, record.lineno), self._clock.now()
        if now - self._told.get(place, -_EVERY_S) < _EVERY_S:
            self._untold[place] = self._untold.get(place, 0) + 1
            return
        self._told[place] = now
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        _log.warning(  # no error: clients can cause it
            "socket.io event failed",
            error=type(error).__name__,
            at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            untold=self._untold.pop(place, 0),
        )
