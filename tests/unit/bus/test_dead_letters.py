"""A dead letter identifies a job and holds nothing of its work."""

from __future__ import annotations

import msgspec

from antiphon.bus.dead_letters import DeadLetter
from antiphon.wire.jobs import Job, Speak

JOB = Job(
    *("a", "speak", Speak("my card number"), "out:a"),
    tenant="acme",
    session_id="s",
    correlation_id="c",
    traceparent="00-1",
    attempt=3,
)


def test_a_dead_letter_says_whose_job_it_was_which_attempt_and_why() -> None:
    letter = DeadLetter.of(JOB, "its lease ran out", 12.5)
    assert letter == DeadLetter("a", "speak", 3, "its lease ran out", "acme", "s", "c", "00-1", 12.5)


def test_a_dead_letter_holds_nothing_of_what_was_said() -> None:
    assert b"card" not in msgspec.msgpack.encode(DeadLetter.of(JOB, "busy", 0.0))
