"""The REST part: the routes of the speech API."""

from __future__ import annotations

from pathlib import Path

from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_has_the_routes_of_the_speech_api_and_no_work(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("rest", "gateway", services)
        assert list(services.lifetime.tasks) == ["decoders"], "uploads are decoded in child processes"
    paths = {(route.method, route.path) for route in added.routes}
    assert {
        ("POST", "/v1/audio/speech"),
        ("POST", "/v1/audio/transcriptions"),
        ("POST", "/v1/realtime/client_secrets"),
        ("GET", "/v1/models"),
    } <= paths
    assert len(paths) == len(added.routes)
    assert not added.work
