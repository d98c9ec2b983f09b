"""End of turn: has this person finished, or only paused?"""

from __future__ import annotations

from typing import Protocol

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm


class EndOfTurn(Protocol):
    """Scores how finished an utterance sounds. A hint in addition to a timeout, never the only criterion."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    async def score(self, audio: Pcm) -> float:
        """Return the probability 0..1 that the turn is over at the end of ``audio`` (only its last 8 s are used)."""
        ...
