"""The rows of a session's beginning and end."""

from __future__ import annotations

import itertools

from antiphon.clock import VirtualClock
from antiphon.doors.websocket.session_history import (
    CLEANED_UP,
    CLOSED,
    CONNECTED,
    DISCONNECTED,
    SessionHistory,
    ended_session,
    revision,
)
from antiphon.entities.history import Unit
from antiphon.ports.sessions import EndedSession


def history(units: list[Unit], clock: VirtualClock, epoch: int = 7) -> SessionHistory:
    return SessionHistory(
        units.append,
        clock,
        "realtime",
        tenant="t",
        session_id="sess_1",
        key_id="key_1",
        epoch=epoch,
        conversation_id="conv_1",
    )


def test_a_session_is_recorded_when_it_opens_and_when_it_ends_with_its_seconds() -> None:
    clock, units = VirtualClock(), list[Unit]()
    made = history(units, clock)
    opened_at = clock.wall()
    made.opened("m", b"{}")
    clock.advance(12.5)
    made.ended("m2", b'{"a":1}', resumable=False)
    (opened,), (closed,) = units[0].sessions, units[1].sessions
    assert (opened.status, opened.created_at, opened.closed_at, opened.model) == ("connected", opened_at, None, "m")
    assert (opened.key_id, opened.conversation_id, opened.kind) == ("key_1", "conv_1", "realtime")
    assert (closed.status, closed.created_at, closed.closed_at) == ("disconnected", opened_at, opened_at + 12.5)
    assert (closed.model, closed.config) == ("m2", b'{"a":1}')
    assert closed.revision > opened.revision
    (used,) = units[1].usage
    assert (used.record_id, used.metric, used.amount) == ("sess_1:7:connection_s", "connection_s", 12.5)


def test_a_session_that_may_be_resumed_is_not_closed() -> None:
    clock, units = VirtualClock(), list[Unit]()
    made = history(units, clock)
    made.opened("m", b"{}")
    made.ended("m", b"{}", resumable=True)
    (session,) = units[1].sessions
    assert (session.status, session.closed_at) == ("disconnected", None)
    assert units[1].usage == (), "no time has passed"


def test_a_session_that_was_not_resumed_in_time_is_expired() -> None:
    session = ended_session(EndedSession("t", "sess_1", b"", 7), "expired", 90.0, "realtime")
    assert (session.status, session.closed_at) == ("expired", 90.0)
    assert session.revision == revision(7, CLEANED_UP)


def test_states_of_a_later_owner_are_newer_than_all_of_an_earlier_one() -> None:
    states = [
        revision(epoch, phase) for epoch in (1, 2, 10**15) for phase in (CONNECTED, DISCONNECTED, CLOSED, CLEANED_UP)
    ]
    assert all(earlier < later for earlier, later in itertools.pairwise(states))
    assert max(states) < 2**63


def test_usage_without_an_amount_makes_no_row() -> None:
    rows = history([], VirtualClock()).used("resp_1", {"requests": 1, "input_tokens": 0, "output_tokens": 5})
    assert [(row.record_id, row.amount) for row in rows] == [("resp_1:requests", 1), ("resp_1:output_tokens", 5)]
