"""Writes the sentences of an answer to its speaker, each once over all attempts."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.ports.bus import Attempt, Bus
from antiphon.text.sentences import Splitter
from antiphon.wire.entries import PipeEntry, SentenceReady, SentencesDone
from antiphon.wire.jobs import Job


class Sentences:
    """Splits the answer of one job into sentences and writes them to ``pipe``; does nothing without a pipe.

    Splitting is deterministic. A later attempt therefore first adds the text of earlier ones, and skips as many
    sentences as they have written.
    """

    def __init__(self, bus: Bus, job: Job, pipe: str) -> None:
        self._bus = bus
        self._job = job
        self._pipe = pipe
        self._attempt = Attempt(job.id, job.attempt)
        self._splitter = Splitter()
        self._known = 0
        """Sentences written by earlier attempts that are still to be skipped."""

    async def begin(self) -> None:
        """Count the sentences of earlier attempts, and fence those attempts."""
        if self._pipe and self._job.attempt > 1:
            self._known = await self._bus.begin(self._pipe, self._attempt)

    async def add(self, text: str) -> None:
        """Add text of the answer, and write the sentences that are complete."""
        if self._pipe:
            await self._write(self._splitter.feed(text))

    async def end(self) -> None:
        """Write the rest of a finished answer."""
        if self._pipe:
            await self._write(self._splitter.flush(), [SentencesDone(self._job.id)])

    async def _write(self, sentences: Sequence[str], last: Sequence[PipeEntry] = ()) -> None:
        entries = [*(SentenceReady(self._job.id, sentence) for sentence in sentences), *last]
        new = entries[self._known :]
        self._known = max(0, self._known - len(entries))
        if new:
            await self._bus.write(self._pipe, new, by=self._attempt)
