"""Engines that speak in place of another: told when it begins and when it ends, not at each call."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from antiphon.ports.engine import instead_of

_log = structlog.get_logger(__name__)


class StandIns:
    """Takes note of who answers the calls of a chain of voices."""

    def __init__(self, on_degraded: Callable[[], None] = lambda: None) -> None:
        """``on_degraded`` is called whenever an engine begins to be stood in for."""
        self._on_degraded = on_degraded
        self._out: set[str] = set()

    def answered(self, wanted: str, by: str) -> None:
        """A call for the engine ``wanted`` was answered ``by`` it, or by another."""
        instead_of.set("" if wanted == by else wanted)
        if wanted == by and wanted in self._out:
            self._out.discard(wanted)
            _log.info("tts.recovered", engine=wanted)
        elif wanted != by and wanted not in self._out:
            self._out.add(wanted)
            _log.warning("tts.degraded", engine=wanted, instead=by)
            self._on_degraded()
