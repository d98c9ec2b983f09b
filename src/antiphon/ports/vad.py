"""Voice activity: the probability of speech in windows of 32 ms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from antiphon.entities.capabilities import Capabilities

RATE_HZ = 16_000


class VoiceStream(Protocol):
    """The detector's memory of one audio stream."""

    def feed(self, samples: bytes) -> None:
        """Take any number of samples (s16le, 16 kHz). Returns at once; results come through the callback."""
        ...

    def reset(self) -> None:
        """Reset the state, e.g. after the buffer was cleared. Windows fed before are no longer reported."""
        ...

    def close(self) -> None:
        """End the stream; no callback follows."""
        ...


class VoiceActivity(Protocol):
    """Scores windows of many streams together, off the event loop.

    Probabilities of one stream arrive in order, each window exactly once, on the loop that opened the stream.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> VoiceStream:
        """Open a stream; ``on_scores`` gets probabilities 0..1 of consecutive windows, several at once under load."""
        ...
