"""The translation part: the WebSocket endpoint of translation sessions."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.gateway import Gateway
from antiphon.app.roles import all_parts
from antiphon.doors.translation.endpoint import TranslationDoor
from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_serves_translation_sessions_among_its_connections(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("translation", "gateway", services)
        assert services.lifetime.drains == [services.once(Gateway).connections.drain]
    assert list(added.sockets) == ["/v1/realtime/translations"]
    assert isinstance(added.sockets["/v1/realtime/translations"], TranslationDoor)
    assert not added.tasks


def test_a_gateway_loads_voice_activity_detection_only() -> None:
    assert all_parts()["translation"].engines == {"gateway": "vad"}
