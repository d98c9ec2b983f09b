"""The realtime part: the WebSocket endpoint of conversations, and the tasks that keep their sessions."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.roles import all_parts
from antiphon.doors.realtime.endpoint import RealtimeDoor
from tests.unit.app.stage import added_by, services_of


async def test_a_gateway_serves_conversations_and_keeps_their_sessions(tmp_path: Path) -> None:
    async with services_of(tmp_path) as services:
        added = added_by("realtime", "gateway", services)
        assert services.opened_rows is not None, "conversations are stored"
    assert list(added.sockets) == ["/v1/realtime"]
    assert isinstance(added.sockets["/v1/realtime"], RealtimeDoor)
    assert sorted(added.tasks) == ["components", "expired sessions", "session heartbeats", "taken sessions"]


def test_a_gateway_loads_voice_activity_detection_only() -> None:
    assert all_parts()["realtime"].engines == {"gateway": "vad"}
