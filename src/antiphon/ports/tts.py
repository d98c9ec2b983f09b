"""Text to speech, as the workers need it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import SpeechChunk


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """How to speak; an unknown voice is mapped to the engine's default."""

    voice: str = ""
    speed: float = 1.0
    """0.25 to 4.0; 2.0 takes half the time."""
    language: str | None = None
    instructions: str = ""
    model: str = ""


class TextToSpeech(Protocol):
    """Speaks text.

    `synthesize` yields chunks in order, each as soon as it exists. Each sentence's first chunk carries its
    text. Text that cannot be spoken (empty, emoji alone) yields nothing and is no error. Closing the iterator
    cancels: nothing is yielded afterwards, an engine call in progress (at most one sentence of 200 characters)
    may finish.
    Raises `ProviderBusy`, `ProviderTimeout`, `ProviderUnavailable`, `ProviderRejected`.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Speak ``text`` of any length."""
        ...
