"""The analytics part: its routes, and the consumer that makes rows of events."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.parts.analytics import make_analyser
from antiphon.entities.events import Event
from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_serves_figures_of_the_rows_of_its_database(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("analytics", "gateway", services)
        store = services.rows.store
        await store.start()
        await make_analyser(services)([Event("t", "e", "session.created", b"{}", 5.0)])
        counts = await added.routes[0].services.analytics.counts("t", 0.0, 10.0)
        await store.close()
    assert sorted((route.method, route.path) for route in added.routes) == [
        ("GET", "/v1/analytics/counts"),
        ("GET", "/v1/analytics/latencies"),
    ]
    assert counts["sessions_created_total"] == 1.0
    assert not added.tasks


async def test_the_worker_consumes_events(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("analytics", "analyse", services)
    assert list(added.tasks) == ["analyse events"]
    assert not added.routes
