"""End of turn without a model: silence alone decides."""

from __future__ import annotations

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm
from antiphon.ports.engine import EngineContext


class Silence:
    """Scores every pause as the end of the turn, so that only the configured silence counts."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("silence")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def score(self, audio: Pcm) -> float:
        """Return 1.0."""
        del audio
        return 1.0


def create(context: EngineContext) -> Silence:
    """Make the engine; it has no settings."""
    del context
    return Silence()
