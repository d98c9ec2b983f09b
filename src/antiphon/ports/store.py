"""The store: history that outlives its session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from antiphon.entities.history import StoredItem


class Store(Protocol):
    """Durable history, isolated by tenant.

    `record` returns once the rows are on disk (survive the death of the process). A repeated row, or an older
    revision after a newer one, has no effect.
    """

    async def start(self) -> None:
        """Open, and create or migrate the schema."""
        ...

    async def record(self, rows: Sequence[StoredItem]) -> None:
        """Write rows in one transaction."""
        ...

    async def items(
        self, tenant: str, session_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[StoredItem]:
        """Return the newest ``limit`` items that are not deleted, oldest first; ``before`` is a position (paging)."""
        ...

    async def check(self) -> None:
        """Read from the store. Raises `ProviderBusy`, `ProviderUnavailable`."""
        ...

    async def close(self) -> None:
        """Close; idempotent."""
        ...
