"""Rows of events, and the figures that are made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from antiphon.entities.analytics import LATENCY_NAMES, AnalyticsRow, Latency, LatencyName


class Analytics(Protocol):
    """Events as rows, isolated by tenant.

    A window is ``since <= created_at < until``, seconds since the epoch. Methods raise `ProviderBusy` or
    `ProviderUnavailable` while the database is locked or away.
    """

    async def add(self, rows: Sequence[AnalyticsRow]) -> set[tuple[str, str]]:
        """Write rows, those of one tenant in one transaction; return the `AnalyticsRow.key` of those that were new.

        A row that exists is not changed, and a row of an erased session is not written. Raises `InvalidRequest` for a
        row that can never be written.
        """
        ...

    async def latencies(
        self, tenant: str, since: float, until: float, metrics: Collection[LatencyName] = LATENCY_NAMES
    ) -> list[Latency]:
        """Return the distributions in a window, in the order of `LATENCY_NAMES`; one without a value is left out."""
        ...

    async def counts(self, tenant: str, since: float, until: float) -> Mapping[str, float]:
        """Return every counter of `COUNTERS` in a window."""
        ...
