"""The payloads of events, as JSON."""

from __future__ import annotations

import json

from antiphon.wire.events import ChatStats, LtmWriteRequested, SessionClosed, Spoken, encode, type_of


def test_the_names_are_those_of_the_wire_and_the_type_is_inside() -> None:
    stats = ChatStats(
        correlation_id="sess_1#2", session_id="sess_1", turn=2, ts=5.0, ttft_ms=None, tokens=7, input_tokens=1,
        output_tokens=9, status="completed",
    )  # fmt: skip
    assert type_of(stats) == "AnalyticsChatStats"
    assert json.loads(encode(stats)) == {
        "type": "AnalyticsChatStats", "correlationId": "sess_1#2", "sessionId": "sess_1", "turn": 2, "ts": 5.0,
        "ttft_ms": None, "tokens": 7, "input_tokens": 1, "output_tokens": 9, "status": "completed",
    }  # fmt: skip


def test_a_turn_to_remember_has_its_words_inside() -> None:
    asked = LtmWriteRequested(
        correlation_id="s#1",
        session_id="s",
        user_id="u",
        turn=1,
        ts=1.0,
        payload=Spoken(text="I like tea", reply="Good."),
    )
    assert type_of(asked) == "LtmWriteRequested"
    assert json.loads(encode(asked))["payload"] == {"text": "I like tea", "reply": "Good.", "vectorize": True}


def test_the_end_of_a_session_is_an_event_of_its_own() -> None:
    assert type_of(SessionClosed(session_id="s", kind="realtime", status="expired")) == "session.closed"
