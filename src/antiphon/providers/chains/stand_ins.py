"""Engines that speak in place of another: logged when that begins and ends, not at each call."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from antiphon.ports.engine import instead_of

_log = structlog.get_logger(__name__)


class StandIns:
    """Records which engine answers the calls of a TTS chain."""

    def __init__(self, on_degraded: Callable[[], None] = lambda: None) -> None:
        """``on_degraded`` is called when another engine begins to answer in place of the wanted one."""
        self._on_degraded = on_degraded
        self._out: set[str] = set()

    def answered(self, wanted: str, by: str) -> None:
        """Record that engine ``by`` answered a call for the engine ``wanted``; they may be the same."""
        instead_of.set("" if wanted == by else wanted)
        if wanted == by and wanted in self._out:
            self._out.discard(wanted)
            _log.info("tts.recovered", engine=wanted)
        elif wanted != by and wanted not in self._out:
            self._out.add(wanted)
            _log.warning("tts.degraded", engine=wanted, instead=by)
            self._on_degraded()
