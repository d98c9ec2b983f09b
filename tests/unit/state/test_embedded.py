"""Sessions in memory: what is kept of them, and that nothing stays behind."""

from __future__ import annotations

from antiphon.clock import VirtualClock
from antiphon.ports.sessions import Change, EndedSession
from antiphon.state.embedded import EmbeddedSessions


async def test_without_a_resume_window_an_ended_session_is_gone_at_once() -> None:
    sessions = EmbeddedSessions(VirtualClock(), resume_window_s=0)
    record = await sessions.claim("t", "s", "g")
    await sessions.end(record, resumable=True)
    assert await sessions.find("t", "s") is None
    assert len(sessions) == 0


async def test_a_session_whose_time_is_over_stays_until_it_is_cleaned_up_once() -> None:
    clock = VirtualClock()
    sessions = EmbeddedSessions(clock, resume_window_s=60, liveness_s=30)
    saved = await sessions.claim("t", "saved", "g")
    await sessions.save(saved, Change(b"state", 1))
    await sessions.claim("t", "new", "g")
    clock.advance(90)
    assert await sessions.find("t", "saved") is None
    assert len(sessions) == 2
    assert [one async for one in sessions.expired()] == [
        EndedSession("t", "saved", b"state", 1),
        EndedSession("t", "new", b"", 2),
    ]
    assert [one async for one in sessions.expired()] == []
    assert len(sessions) == 0


async def test_events_older_than_the_window_are_dropped_with_the_next_change() -> None:
    clock = VirtualClock()
    sessions = EmbeddedSessions(clock, event_window_s=20, liveness_s=1000)
    record = await sessions.claim("t", "s", "g")
    for number in range(4):
        await sessions.save(record, Change(b"state", number, events=str(number).encode()))
        clock.advance(10)
    _, saved = await sessions.resume("t", "s", "g")
    assert saved.events == (b"1", b"2", b"3")


async def test_epochs_are_not_reused_even_for_other_sessions() -> None:
    sessions = EmbeddedSessions(VirtualClock())
    epochs = [(await sessions.claim("t", name, "g")).epoch for name in ("a", "b", "a", "c")]
    assert epochs == sorted(set(epochs))
