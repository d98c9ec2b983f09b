"""The score worker: estimates the probability that a turn is over."""

from __future__ import annotations

from antiphon.entities.speech import Pcm
from antiphon.ports.bus import Bus
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.wire.entries import ScoreReady
from antiphon.wire.jobs import Job, Score
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Scorer:
    """Handles ``score`` jobs with one engine."""

    def __init__(self, engine: EndOfTurn) -> None:
        self._engine = engine

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit the score."""
        del bus
        work = work_of(job, Score)
        await emit([ScoreReady(job.id, await self._engine.score(Pcm(work.audio, work.rate_hz)))])
