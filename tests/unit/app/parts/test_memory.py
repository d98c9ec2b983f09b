"""The memory part: its routes, and the worker that remembers."""

from __future__ import annotations

from pathlib import Path

from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_serves_the_routes(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("memory", "gateway", services)
    assert {route.path for route in added.routes} == {
        "/v1/memory", "/v1/memory/search", "/v1/memory/retrieve", "/v1/memory/profile",
    }  # fmt: skip
    assert not added.work


async def test_the_worker_has_two_queues_and_the_events_of_its_log(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("memory", "remember", services)
    assert [work.queue for work in added.work] == ["recall", "memorize"]
    assert list(added.tasks) == ["remember events"]
