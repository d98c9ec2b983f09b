"""The store: history that outlives its session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from antiphon.entities.history import SessionKind, StoredItem, StoredSession, Unit

ItemPlace = tuple[int, str]
"""Position and id of an item: items of a session are in this order."""
SessionPlace = tuple[float, str]
"""Beginning and id of a session: sessions of a tenant are in this order."""


class Recorder(Protocol):
    """Takes rows of the history."""

    async def record(self, units: Sequence[Unit]) -> None:
        """Take units; they survive the death of this process when it returns.

        Raises `InvalidRequest` for a row that can never be written, `ProviderBusy`, `ProviderUnavailable`.
        """
        ...


class Store(Recorder, Protocol):
    """Durable history, isolated by tenant.

    `record` writes all its units in one transaction. A repeated row, or an older revision after a newer one, has no
    effect. Methods raise `ProviderBusy` or `ProviderUnavailable` while the database is locked or away.
    """

    async def start(self) -> None:
        """Open, and create or migrate the schema."""
        ...

    async def items(
        self,
        tenant: str,
        session_id: str,
        *,
        limit: int = 100,
        beyond: ItemPlace | None = None,
        oldest_first: bool = False,
    ) -> list[StoredItem]:
        """Return at most ``limit`` items that are not deleted, newest first, those after ``beyond`` in that order."""
        ...

    async def item_place(self, tenant: str, session_id: str, item_id: str) -> ItemPlace | None:
        """Return where an item is or, if it was deleted, was; None for an unknown one."""
        ...

    async def session(self, tenant: str, session_id: str) -> StoredSession | None:
        """Return a session; None for an unknown one."""
        ...

    async def sessions(
        self,
        tenant: str,
        *,
        limit: int = 100,
        beyond: SessionPlace | None = None,
        oldest_first: bool = False,
        since: float | None = None,
        until: float | None = None,
        kind: SessionKind | None = None,
    ) -> list[StoredSession]:
        """Return at most ``limit`` sessions, newest first, those after ``beyond`` in that order.

        ``since`` and ``until`` bound their beginning: the first is included, the last is not.
        """
        ...

    async def check(self) -> None:
        """Read from the store."""
        ...

    async def close(self) -> None:
        """Close; idempotent."""
        ...
