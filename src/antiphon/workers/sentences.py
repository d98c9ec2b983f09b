"""The sentences of an answer on their way to its speaker: each of them once, over all attempts at the answer."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.ports.bus import Attempt, Bus
from antiphon.text.sentences import Splitter
from antiphon.wire.jobs import Job, PipeEntry, SentenceReady, SentencesDone


class Sentences:
    """Cuts the text of one job's answer into sentences and writes them into ``pipe``; without one it does nothing.

    A text is always cut at the same places. So a further attempt, which adds the text of those before it first, leaves
    out as many sentences as they have written.
    """

    def __init__(self, bus: Bus, job: Job, pipe: str) -> None:
        self._bus = bus
        self._job = job
        self._pipe = pipe
        self._attempt = Attempt(job.id, job.attempt)
        self._splitter = Splitter()
        self._known = 0
        """Sentences that attempts before have written and that are still to come."""

    async def begin(self) -> None:
        """Learn what attempts before have written, who from now on write nothing more."""
        if self._pipe and self._job.attempt > 1:
            self._known = await self._bus.begin(self._pipe, self._attempt)

    async def add(self, text: str) -> None:
        """Take more of the answer, and write the sentences that are over by now."""
        if self._pipe:
            await self._write(self._splitter.feed(text))

    async def end(self) -> None:
        """The answer is over: write the rest."""
        if self._pipe:
            await self._write(self._splitter.flush(), [SentencesDone(self._job.id)])

    async def _write(self, sentences: Sequence[str], last: Sequence[PipeEntry] = ()) -> None:
        entries = [*(SentenceReady(self._job.id, sentence) for sentence in sentences), *last]
        new = entries[self._known :]
        self._known = max(0, self._known - len(entries))
        if new:
            await self._bus.write(self._pipe, new, by=self._attempt)
