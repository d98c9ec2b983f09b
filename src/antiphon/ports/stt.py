"""Speech to text, as the workers need it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """Hints; an engine ignores those that it does not support."""

    language: str | None = None
    """ISO 639-1; None detects it."""
    prompt: str = ""
    model: str = ""
    translate: bool = False
    """True requests English text for any language; `Unsupported` if the engine cannot translate."""
    word_timestamps: bool = False
    temperature: float = 0.0


class SpeechToText(Protocol):
    """Turns audio into text.

    `transcribe` yields each `Segment` as soon as it is known and then one `Transcript` that holds them all.
    Silence and noise give a transcript with empty text; speech that is not recognized may be a segment without text.
    Closing the iterator cancels: nothing is yielded afterwards; an engine call in progress may finish in its thread.
    Raises `ProviderBusy`, `ProviderTimeout`, `ProviderUnavailable`, `ProviderRejected`, `Unsupported`.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up; returns when the first call will be fast. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Transcribe ``audio`` of any rate and length (0 s included)."""
        ...
