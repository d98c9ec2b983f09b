"""Use counts of resources with a maximum number of uses."""

from __future__ import annotations

from typing import Protocol


class Uses(Protocol):
    """Counts uses by name, until the count expires."""

    async def spend(self, name: str, use: str, most: int, until: float) -> bool:
        """Count ``use``, an id, as one use of ``name``; False when ``most`` others were counted before.

        The same id counts once. Of concurrent requests for the last use exactly one gets it, over all
        processes that share the store. The count is kept at least until ``until``, seconds since the epoch. Raises
        `ProviderUnavailable`.
        """
        ...
