"""Apertium: rule-based translation between related languages, as Debian packages it; rough, and quick.

It is GPL-2: its programs run in processes of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from antiphon.providers.apertium.modes import MODE_FOLDERS, Mode, Modes
from antiphon.providers.apertium.process import ApertiumProcess
from antiphon.providers.hosting.deadline import deadline
from antiphon.text.language_tags import unsupported

NAME = "apertium"
INSTALL = "apt install apertium apertium-eng-spa"

_log = structlog.get_logger(__name__)


def create(context: EngineContext) -> Translation:
    """Make the engine; it has no settings."""
    return Apertium(timeout_s=context.timeout_s)


class Apertium:
    """Keeps the programs of each direction running after its first use, and gives them one text at a time.

    A text takes milliseconds, the first of a direction half a second. Only installed pairs are available.
    """

    def __init__(self, *, timeout_s: float, folders: Sequence[Path] = MODE_FOLDERS) -> None:
        """``folders`` hold the modes."""
        self._timeout_s = timeout_s
        self._folders = folders
        self._modes: Modes | None = None
        self._directions: dict[str, _Direction] = {}
        self._is_closed = False

    @property
    def capabilities(self) -> Capabilities:
        """The languages of all installed pairs, once it is started."""
        return Capabilities(NAME, models=(NAME,), languages=self._modes.languages if self._modes else ())

    async def start(self) -> None:
        """Find the installed pairs. Having none is not an error."""
        self._modes = await asyncio.to_thread(Modes, self._folders)
        if not self._modes.languages:
            _log.info("no pairs installed", engine=NAME, command=INSTALL)

    async def close(self) -> None:
        """End all programs; idempotent."""
        self._is_closed = True
        for direction in self._directions.values():
            await direction.close()

    def has_pair(self, source: str | None, target: str) -> bool:
        """Say whether the direction is installed; no without a source."""
        return self._modes is not None and self._modes.find(source, target) is not None

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate the whole text. Unknown words stay as they are."""
        if not text.strip():
            return ""
        mode = self._modes.find(source, target) if self._modes else None
        if mode is None:
            raise unsupported(NAME, source, target)
        if self._is_closed:
            raise ProviderUnavailable(f"{NAME} is closed")
        direction = self._directions.setdefault(mode.name, _Direction(mode))
        async with deadline(NAME, self._timeout_s):
            return await direction.translate(text)


class _Direction:
    """The process of one mode, restarted when it has ended."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._turn = asyncio.Lock()
        self._process: ApertiumProcess | None = None

    async def translate(self, text: str) -> str:
        """Wait for the turn and translate; a cancelled call kills the process."""
        async with self._turn:
            process = await self._running()
            is_done = False
            try:
                translated = await process.ask(text)
                is_done = True
            finally:
                if not is_done:
                    process.kill()
            return translated

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def _running(self) -> ApertiumProcess:
        process = self._process
        if process is not None and process.is_gone:
            await self.close()
            process = None
        if process is None:
            process = self._process = await self._launch()
        return process

    async def _launch(self) -> ApertiumProcess:
        launch = asyncio.create_task(ApertiumProcess.launch(self._mode), name=f"launch {self._mode.name}")
        try:
            return await asyncio.shield(launch)
        except asyncio.CancelledError:
            self._process = await launch  # else the process would run without an owner
            raise
