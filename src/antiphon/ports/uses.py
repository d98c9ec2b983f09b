"""How often something was used, that may be used only so often."""

from __future__ import annotations

from typing import Protocol


class Uses(Protocol):
    """Counts uses by name, each until it ends."""

    async def spend(self, name: str, use: str, most: int, until: float) -> bool:
        """Count ``use``, an id, as one use of ``name``; False when ``most`` others were counted before.

        The same id counts once. Of those who ask for the last use at the same time exactly one gets it, in all
        processes that share the store. The count is kept at least until ``until``, seconds since the epoch. Raises
        `ProviderUnavailable`.
        """
        ...
