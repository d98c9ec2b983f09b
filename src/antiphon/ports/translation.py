"""Translation of text, as the workers need it."""

from __future__ import annotations

from typing import Protocol

from antiphon.entities.capabilities import Capabilities


class Translation(Protocol):
    """Translates text between languages.

    A language is an ISO 639-1 code with an optional region, in any case: ``es``, ``pt-BR``, ``EN``. Raises
    `ProviderBusy`, `ProviderTimeout`, `ProviderUnavailable`, `ProviderRejected`, `RateLimited`, and `Unsupported` for
    an unknown pair of languages. Calls may run concurrently; cancelling one returns at once and affects no other.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load and warm up. Raises `WeightsMissing`."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    def has_pair(self, source: str | None, target: str) -> bool:
        """Say, after the start, whether it can translate from ``source`` (None: it detects it) into ``target``.

        True for a service whose list is not known.
        """
        ...

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate ``text``; ``source`` None detects it. Empty text gives empty text, for all languages."""
        ...
