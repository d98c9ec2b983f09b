from __future__ import annotations

from antiphon.clock import VirtualClock
from antiphon.state.embedded import EmbeddedSessions


async def test_sessions_that_nobody_ended_do_not_pile_up() -> None:
    clock = VirtualClock()
    sessions = EmbeddedSessions(clock, resume_window_s=60, liveness_s=30)
    for number in range(1000):
        await sessions.claim("t", f"s{number}", "g")
        clock.advance(1)
    assert len(sessions) < 150


async def test_without_a_resume_window_an_ended_session_is_gone_at_once() -> None:
    sessions = EmbeddedSessions(VirtualClock(), resume_window_s=0)
    record = await sessions.claim("t", "s", "g")
    await sessions.end(record, resumable=True)
    assert await sessions.find("t", "s") is None
    assert len(sessions) == 0
