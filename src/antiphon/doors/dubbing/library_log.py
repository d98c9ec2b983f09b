"""Faults of the Socket.IO library, in our log: without what clients sent, and not once for each packet."""

from __future__ import annotations

import logging
import traceback

import structlog

from antiphon.clock import Clock

_EVERY_S = 60.0
"""Between two lines about the same place in the library: a client can make it fail with every packet."""
_FRAMES = 3
"""Innermost calls that a line names."""

_log = structlog.get_logger(__name__)


def library_log(clock: Clock) -> logging.Logger:
    """Return the logger to give to the library."""
    # below errors the library tells of every packet, with its content
    logger = logging.Logger("socketio", logging.ERROR)  # noqa: LOG001 -- goes with its server, handler included
    logger.addHandler(_Faults(clock))
    return logger


class _Faults(logging.Handler):
    """Tells of exceptions; an error without one is about a request that the library has refused."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(logging.ERROR)
        self._clock = clock
        self._told: dict[tuple[str, int], float] = {}
        self._untold: dict[tuple[str, int], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log the kind of exception and where it was raised; its text may hold what a client sent."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        place, now = (record.pathname, record.lineno), self._clock.now()
        if now - self._told.get(place, -_EVERY_S) < _EVERY_S:
            self._untold[place] = self._untold.get(place, 0) + 1
            return
        self._told[place] = now
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        _log.warning(  # no fault of ours: a client can send what the library fails at
            "socket.io event failed",
            error=type(error).__name__,
            at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            untold=self._untold.pop(place, 0),
        )
