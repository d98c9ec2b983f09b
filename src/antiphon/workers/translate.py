"""The translate worker: translates text."""

from __future__ import annotations

from antiphon.ports.bus import Bus
from antiphon.ports.engine import answered_by
from antiphon.ports.translation import Translation
from antiphon.wire.entries import TranslationReady
from antiphon.wire.jobs import Job, Translate
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Translator:
    """Handles ``translate`` jobs with one engine."""

    def __init__(self, engine: Translation) -> None:
        self._engine = engine

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit the translation."""
        del bus
        work = work_of(job, Translate)
        answered_by.set(self._engine.capabilities)
        text = await self._engine.translate(work.text, source=work.source, target=work.target)
        by = answered_by.get()
        await emit([TranslationReady(job.id, text, by.name, by.model)])
