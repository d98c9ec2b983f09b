from __future__ import annotations

from antiphon.clock import VirtualClock
from antiphon.state.embedded import EmbeddedSessions


async def test_without_a_resume_window_an_ended_session_is_gone_at_once() -> None:
    sessions = EmbeddedSessions(VirtualClock(), resume_window_s=0)
    record = await sessions.claim("t", "s", "g")
    await sessions.end(record, resumable=True)
    assert await sessions.find("t", "s") is None
    assert len(sessions) == 0
