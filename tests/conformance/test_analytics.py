"""What `Analytics` promises on every database: rows once, and percentiles that equal numpy's."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.entities.analytics import COUNTERS, LATENCIES, LATENCY_NAMES, AnalyticsRow, Latency
from antiphon.errors import InvalidRequest
from antiphon.ports.analytics import Analytics
from antiphon.store.analytics import SqlAnalytics
from antiphon.store.opening import make_store
from antiphon.store.tables import analytics_events, erasures
from tests.postgres import Database, migrated

SINCE, UNTIL = 1000.0, 2000.0
WRONG: list[Any] = [None, True, False, "12", [1], {"a": 1}, -1, "", "\ufffd"]
"""Values of a field that are no number from 0."""


@dataclass
class World:
    """A database, and the transactions of one tenant in it."""

    analytics: Analytics
    transact_as: Callable[[str, Callable[[AsyncConnection], Awaitable[Any]]], Awaitable[Any]]

    async def erase(self, tenant: str, kind: str, subject: str) -> None:
        row = {"tenant_id": tenant, "kind": kind, "subject": subject, "created_at": 1.0}
        await self.transact_as(tenant, lambda connection: connection.execute(sa.insert(erasures), row))

    async def stored(self, tenant: str = "t") -> list[sa.Row[Any]]:
        query = sa.select(analytics_events).where(analytics_events.c.tenant_id == tenant)

        async def read(connection: AsyncConnection) -> list[sa.Row[Any]]:
            return list((await connection.execute(query.order_by(analytics_events.c.event_id))).all())

        return await self.transact_as(tenant, read)

    async def latencies(self, tenant: str = "t") -> dict[str, Latency]:
        return {one.metric: one for one in await self.analytics.latencies(tenant, SINCE, UNTIL)}

    async def counts(self, tenant: str = "t") -> dict[str, float]:
        """Return the counters that are not 0."""
        found = await self.analytics.counts(tenant, SINCE, UNTIL)
        assert list(found) == list(COUNTERS)
        return {name: value for name, value in found.items() if value}


_databases: dict[str, Database] = {}
"""One of each server: creating one takes longer than these tests."""


async def emptied(server_url: str) -> Database:
    if server_url not in _databases:
        _databases[server_url] = await migrated(server_url)
    connection = await asyncpg.connect(_databases[server_url].url("postgres"))
    await connection.execute("DELETE FROM analytics_events; DELETE FROM erasures")
    await connection.close()
    return _databases[server_url]


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    url = ""
    if request.param == "postgresql":
        url = (await emptied(request.getfixturevalue("postgres_url"))).url("antiphon_app")
    store = make_store(url, tmp_path)
    await store.start()
    yield World(SqlAnalytics(store), store.transact_as)
    await store.close()


def row(name: str = "e", kind: str = "AnalyticsChatStats", at: float = 1500.0, tenant: str = "t", **fields: Any) -> Any:
    return AnalyticsRow(tenant, name, kind, "s", 1, "s#1", at, json.dumps(fields).encode())


def field_of(name: str, value: float) -> dict[str, Any]:
    return {name: value}


async def test_a_row_comes_back_as_it_was(world: World) -> None:
    made = row(tokens=3, status="completed", odd="Grüße 🎉", amounts={"tokens": 1.5})
    assert await world.analytics.add([made]) == {("t", "e")}
    (found,) = await world.stored()
    assert tuple(found) == (*list(asdict(made).values())[:-1], made.fields.decode())


@pytest.mark.parametrize("size", [1, 2, 3, 20, 100, 101, 1234])
async def test_percentiles_are_those_of_numpy(world: World, size: int) -> None:
    values = [random.Random(size).choice((number * 7, number / 3)) for number in range(size)]
    random.Random(1).shuffle(values)
    await world.analytics.add([row(f"e{number}", ttft_ms=value) for number, value in enumerate(values)])
    found = (await world.latencies())["chat_ttft_ms"]
    assert (found.count, found.max) == (size, max(values))
    wanted = np.percentile(values, [50, 95, 99])
    assert [found.p50, found.p95, found.p99] == pytest.approx(list(wanted), rel=1e-12)


async def test_each_latency_has_its_own_events_and_field(world: World) -> None:
    rows = [
        row(f"{number}", kind, **field_of(field, number)) for number, (kind, field) in enumerate(LATENCIES.values())
    ]
    others = [row(f"other {name}", "AnalyticsUsage", **field_of(field, 99)) for name, (_, field) in LATENCIES.items()]
    await world.analytics.add([*rows, *others])
    found = await world.latencies()
    assert {name: one.max for name, one in found.items()} == {name: n for n, name in enumerate(LATENCIES)}
    assert list(found) == list(LATENCY_NAMES)


async def test_one_latency_may_be_asked_for_alone(world: World) -> None:
    await world.analytics.add([row("a", "AnalyticsStop", stop_ack_ms=1, last_chunk_ms=2)])
    assert [one.metric for one in await world.analytics.latencies("t", SINCE, UNTIL, ["stop_last_chunk_ms"])] == [
        "stop_last_chunk_ms"
    ]
    assert await world.analytics.latencies("t", SINCE, UNTIL, []) == []


async def test_values_of_a_wrong_type_are_left_out(world: World) -> None:
    rows = [row(f"e{number}", ttft_ms=value, tokens=value) for number, value in enumerate(WRONG)]
    await world.analytics.add([*rows, row("missing"), row("right", ttft_ms=5, tokens=7), row("zero", ttft_ms=0)])
    assert await world.latencies() == {"chat_ttft_ms": Latency("chat_ttft_ms", 2, 2.5, 4.75, 4.95, 5.0)}
    assert await world.counts() == {"chats_total": len(WRONG) + 3, "tokens_total": 7.0}


async def test_without_events_there_are_no_latencies_and_counters_are_0(world: World) -> None:
    assert await world.latencies() == {}
    assert await world.counts() == {}


async def test_the_window_has_its_beginning_and_not_its_end(world: World) -> None:
    times = [SINCE - 0.001, SINCE, UNTIL - 0.001, UNTIL]
    await world.analytics.add([row(f"e{at}", at=at, ttft_ms=at, tokens=1) for at in times])
    assert (await world.latencies())["chat_ttft_ms"].max == UNTIL - 0.001
    assert await world.counts() == {"chats_total": 2.0, "tokens_total": 2.0}


async def test_counters_count_events_by_type_and_action(world: World) -> None:
    actions = ["connect", "connect", "disconnect", "error", "retry", "CONNECT", None, 5, ["connect"], "connect "]
    rows = [row(f"i{number}", "AnalyticsIngest", action=action) for number, action in enumerate(actions)]
    rows += [row("r", "AnalyticsRetry", provider="p"), row("x", "strange", action="connect")]
    kinds = ["AnalyticsToolCall", "AnalyticsStop", "session.created", "session.closed", "transcription.completed"]
    rows += [row(kind, kind, action="error") for kind in kinds]
    rows += [row("c", tokens=2.5), row("d", tokens=4)]
    await world.analytics.add(rows)
    assert await world.counts() == {
        "tokens_total": 6.5,
        "chats_total": 2.0,
        "tool_calls_total": 1.0,
        "stops_total": 1.0,
        "ingest_connects_total": 2.0,
        "ingest_disconnects_total": 1.0,
        "ingest_errors_total": 1.0,
        "provider_retries_total": 1.0,
        "sessions_created_total": 1.0,
        "sessions_closed_total": 1.0,
        "transcriptions_total": 1.0,
    }


async def test_another_tenants_events_are_not_seen(world: World) -> None:
    mine, others = row(ttft_ms=1, tokens=1), row(tenant="other", ttft_ms=9, tokens=9)
    assert await world.analytics.add([others, mine]) == {("t", "e"), ("other", "e")}
    assert (await world.latencies())["chat_ttft_ms"].max == 1.0
    assert (await world.counts("other"))["tokens_total"] == 9.0
    assert await world.latencies("third") == {}


async def test_an_event_counts_once_however_often_it_comes(world: World) -> None:
    first = row("a", tokens=1)
    assert await world.analytics.add([first, first, row("b", tokens=1)]) == {("t", "a"), ("t", "b")}
    assert await world.analytics.add([replace(first, fields=b'{"tokens": 50}'), row("c")]) == {("t", "c")}
    assert await world.analytics.add([first]) == set()
    assert await world.analytics.add([]) == set()
    assert await world.counts() == {"chats_total": 3.0, "tokens_total": 2.0}


async def test_a_row_of_an_erased_session_is_not_written(world: World) -> None:
    await world.erase("t", "session", "gone")
    await world.erase("t", "user", "s")
    await world.erase("other", "session", "s")
    gone = [replace(row("a"), session_id="gone"), replace(row("b"), session_id="gone")]
    assert await world.analytics.add([*gone, row("c")]) == {("t", "c")}
    assert await world.analytics.add(gone) == set()
    assert [found.event_id for found in await world.stored()] == ["c"]


async def test_a_row_that_can_never_be_written_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest):
        await world.analytics.add([row("a"), replace(row("b"), turn=2**70)])
    assert await world.stored() == []
