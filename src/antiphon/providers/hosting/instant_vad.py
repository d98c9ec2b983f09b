"""Detectors cheap enough for the event loop: windows are scored on arrival, and reported in the next turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from antiphon.audio.windows import WindowCutter, Windows
from antiphon.entities.capabilities import Capabilities


class WindowScorer(Protocol):
    """Scores the windows of one stream; may keep state between them."""

    def score(self, windows: Windows) -> list[float]:
        """Return a probability 0..1 for each window, in order."""
        ...


class InstantVoiceActivity:
    """A `VoiceActivity` with one scorer per stream and no thread."""

    def __init__(self, name: str, scorer: Callable[[], WindowScorer]) -> None:
        self._capabilities = Capabilities(name, streams=True)
        self._scorer = scorer

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> InstantStream:
        """Open a stream on the running loop."""
        return InstantStream(self._scorer, on_scores, asyncio.get_running_loop())


class InstantStream:
    """One stream; scores are reported in the loop's next turn, never from inside `feed`."""

    def __init__(
        self,
        scorer: Callable[[], WindowScorer],
        on_scores: Callable[[Sequence[float]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._new_scorer = scorer
        self._scorer = scorer()
        self._on_scores = on_scores
        self._loop = loop
        self._cutter = WindowCutter()
        self._scores: list[float] = []
        self._closed = False

    def feed(self, samples: bytes) -> None:
        """Take any number of samples."""
        windows = self._cutter.push(samples)
        if self._closed or not len(windows):
            return
        if not self._scores:
            self._loop.call_soon(self._report)
        self._scores += self._scorer.score(windows)

    def reset(self) -> None:
        """Drop unreported scores and start with a new scorer."""
        self._cutter.clear()
        self._scores = []
        self._scorer = self._new_scorer()

    def close(self) -> None:
        """Stop reporting scores."""
        self._closed = True
        self._scores = []

    def _report(self) -> None:
        scores, self._scores = self._scores, []
        if scores:
            self._on_scores(scores)
