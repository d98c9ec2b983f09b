"""Analytics in SQLite; what every database promises is in ``tests/conformance/test_analytics.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from antiphon.entities.analytics import AnalyticsRow, Latency
from antiphon.errors import ProviderUnavailable
from antiphon.store.analytics import SqlAnalytics
from antiphon.store.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "analytics.db")
    await made.start()
    yield made
    await made.close()


def row(name: str, fields: bytes, kind: str = "AnalyticsChatStats") -> AnalyticsRow:
    return AnalyticsRow("t", name, kind, "s", 1, "", 1.0, fields)


@pytest.mark.parametrize("fields", [b"[]", b"5", b"null", b'"ttft_ms"', b"[1, 2]"])
async def test_fields_that_are_no_object_have_no_values(store: SqliteStore, fields: bytes) -> None:
    analytics = SqlAnalytics(store)
    await analytics.add([row("a", fields), row("b", b'{"ttft_ms": 4, "tokens": 1}')])
    assert await analytics.latencies("t", 0.0, 2.0) == [Latency("chat_ttft_ms", 1, 4.0, 4.0, 4.0, 4.0)]
    assert (await analytics.counts("t", 0.0, 2.0))["tokens_total"] == 1.0


async def test_equal_values_and_two_latencies_do_not_mix(store: SqliteStore) -> None:
    analytics = SqlAnalytics(store)
    values = [7.0] * 30 + [9.0] * 3
    chats = [row(f"c{number}", b'{"ttft_ms": %f}' % value) for number, value in enumerate(values)]
    await analytics.add([*chats, *(row(f"s{n}", b'{"stop_ack_ms": %d}' % n, "AnalyticsStop") for n in range(5))])
    chat, stop = await analytics.latencies("t", 0.0, 2.0)
    assert [chat.p50, chat.p95, chat.p99] == pytest.approx(list(np.percentile(values, [50, 95, 99])))
    assert (stop.metric, stop.count, stop.p50, stop.max) == ("stop_ack_ms", 5, 2.0, 4.0)


async def test_a_closed_store_is_unavailable(store: SqliteStore) -> None:
    analytics = SqlAnalytics(store)
    await store.close()
    with pytest.raises(ProviderUnavailable):
        await analytics.add([row("a", b"{}")])
    with pytest.raises(ProviderUnavailable):
        await analytics.latencies("t", 0.0, 2.0)
    with pytest.raises(ProviderUnavailable):
        await analytics.counts("t", 0.0, 2.0)
