"""Translation of text, as the workers need it."""

from __future__ import annotations

from typing import Protocol

from antiphon.entities.capabilities import Capabilities


class Translation(Protocol):
    """Translates text between languages.

    Raises `ProviderBusy`, `ProviderTimeout`, `ProviderUnavailable`, `ProviderRejected`, and `Unsupported` for a
    pair of languages it has not.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate ``text``; languages are ISO 639-1, ``source`` None detects it. Empty text gives empty text."""
        ...
