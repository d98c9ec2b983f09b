"""No model of the end of turn: the silence itself decides."""

from __future__ import annotations

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm
from antiphon.ports.engine import EngineContext


class Silence:
    """Calls every pause the end of the turn, so that the configured silence alone decides."""

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
