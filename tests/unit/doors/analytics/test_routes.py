"""Analytics over REST: answers, windows and refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.analytics.routes import ROUTES, AnalyticsServices
from antiphon.doors.http.app import build_http
from antiphon.doors.http.route import bound
from antiphon.entities.analytics import COUNTERS, LATENCY_NAMES, AnalyticsRow
from antiphon.observe.metrics import Metrics
from antiphon.store.analytics import SqlAnalytics
from antiphon.store.sqlite import SqliteStore
from tests.unit.doors.asgi_call import Answered, ask

KEY = "sk-analytics-of-these-tests"
LATENCIES, COUNTS = "/v1/analytics/latencies", "/v1/analytics/counts"
DAY_S = 86_400.0


class Served:
    """The routes over a database, without a server."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.analytics = SqlAnalytics(store)
        access = Access([KEY], EphemeralSecrets(b"k" * 32), self.clock)
        self.app = build_http(bound(ROUTES, AnalyticsServices(self.analytics, self.clock)), access, Metrics())

    async def ask(self, path: str, query: str = "", key: str = KEY) -> Answered:
        return await ask(self.app, "GET", path, query=query, headers=[("authorization", f"Bearer {key}")])

    async def told(self, path: str, query: str = "") -> dict[str, Any]:
        """Return what a request is answered."""
        answer = await self.ask(path, query)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def chats(self, *found: tuple[float, float], tenant: str = "default") -> None:
        """Add answers, given when they were and the milliseconds to their first text."""
        rows = [
            AnalyticsRow(tenant, f"{at}", "AnalyticsChatStats", "s", 1, "", at, b'{"ttft_ms": %f, "tokens": 2}' % ttft)
            for at, ttft in found
        ]
        await self.analytics.add(rows)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store = SqliteStore(tmp_path / "analytics.db")
    await store.start()
    yield Served(store)
    await store.close()


async def test_latencies_of_a_window_are_told(served: Served) -> None:
    await served.chats((10.0, 100.0), (11.0, 200.0), (20.0, 900.0))
    await served.chats((12.0, 5.0), tenant="other")
    assert await served.told(LATENCIES, "since=10&until=20") == {
        "object": "analytics.latencies",
        "since": 10.0,
        "until": 20.0,
        "data": [{"metric": "chat_ttft_ms", "count": 2, "p50": 150.0, "p95": 195.0, "p99": 199.0, "max": 200.0}],
    }
    assert (await served.told(LATENCIES, "since=10&until=20&metric=stop_ack_ms"))["data"] == []


async def test_counters_of_a_window_are_told(served: Served) -> None:
    await served.chats((10.0, 1.0), (11.0, 1.0))
    await served.chats((12.0, 5.0), tenant="other")
    told = await served.told(COUNTS, "since=10&until=10.5")
    assert told == {
        "object": "analytics.counts",
        "since": 10.0,
        "until": 10.5,
        "data": {**dict.fromkeys(COUNTERS, 0.0), "chats_total": 1.0, "tokens_total": 2.0},
    }


@pytest.mark.parametrize("path", [LATENCIES, COUNTS])
async def test_the_last_day_is_the_default(served: Served, path: str) -> None:
    now = served.clock.wall()
    told = await served.told(path)
    assert (told["since"], told["until"]) == (now - DAY_S, now)
    told = await served.told(path, "until=100000")
    assert (told["since"], told["until"]) == (100_000 - DAY_S, 100_000.0)
    assert (await served.told(path, "until=5"))["since"] == 0.0


@pytest.mark.parametrize("path", [LATENCIES, COUNTS])
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("since=10&until=10", "since"),
        ("since=11&until=10", "since"),
        ("since=90000000000", "since"),
        ("until=0", "until"),
        ("since=-1", "since"),
        ("since=1e12", "since"),
        ("since=x", "since"),
        ("until=nan", "until"),
        ("since=inf", "since"),
    ],
)
async def test_a_wrong_window_is_refused_and_its_field_named(served: Served, path: str, query: str, param: str) -> None:
    answer = await served.ask(path, query)
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)


@pytest.mark.parametrize("name", ["unknown", "CHAT_TTFT_MS", "chat_ttft_ms%00", "x" * 5000])
async def test_an_unknown_metric_is_refused_with_the_known_ones(served: Served, name: str) -> None:
    answer = await served.ask(LATENCIES, f"metric={name}")
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"]) == (400, "metric")
    assert all(known in error["message"] for known in LATENCY_NAMES)
    assert len(error["message"]) < 500


@pytest.mark.parametrize("path", [LATENCIES, COUNTS])
async def test_a_caller_without_a_key_is_told_nothing(served: Served, path: str) -> None:
    assert (await served.ask(path, key="wrong")).status == 401


@pytest.mark.parametrize("path", [LATENCIES, COUNTS])
async def test_a_database_that_is_away_answers_503(served: Served, path: str) -> None:
    await served.store.close()
    assert (await served.ask(path)).status == 503
