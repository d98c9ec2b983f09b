"""The history part: routes that read what the realtime part writes, and end its sessions."""

from __future__ import annotations

from pathlib import Path

from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_reads_the_history_and_ends_sessions_by_its_one_endpoint(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("history", "gateway", services)
        door = added_by("realtime", "gateway", services).sockets["/v1/realtime"]
    assert sorted((route.method, route.path) for route in added.routes) == [
        ("DELETE", "/v1/realtime/sessions/{session_id}"),
        ("GET", "/v1/realtime/sessions/{session_id}"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/{session_id}/items"),
    ]
    assert {route.services.stop.__self__ for route in added.routes} == {door}
    assert not added.work
