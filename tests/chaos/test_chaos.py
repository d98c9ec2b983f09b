"""The short form of ``make chaos``, and what the checker says of histories that break a promise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.history import History, Turn, Whole, violations
from tests.chaos.run import chaos

SHORT = frozenset({"cut clients", "kill speak", "kill gateway", "stop speak", "kill redis"})


async def test_whoever_is_killed_clients_hear_everything_once() -> None:
    report = await chaos(seconds=0, talkers=6, seed=1, only=SHORT)
    print("\n".join(report.lines()))
    assert set(report.log) == SHORT
    assert sum(len(history.turns) for history in report.histories) > 12
    assert sum(history.resumptions for history in report.histories) >= 6
    assert not report.violations


# -- the checker -------------------------------------------------------------------------------------------------------
def question(number: int) -> dict[str, Any]:
    return {"id": f"q{number}", "type": "message", "role": "user", "content": []}


def history() -> History:
    """A conversation of two turns in which nothing is wrong."""
    made = History("client")
    for number in range(2):
        item = {"id": f"a{number}", "role": "assistant", "content": [{"type": "output_audio", "transcript": "one two"}]}
        response = {"id": f"r{number}", "status": "completed", "output": [item]}
        events: list[dict[str, Any]] = [
            {"type": "conversation.item.done", "item": question(number)},
            {"type": "response.created", "response": {"id": f"r{number}"}},
            {"type": "response.output_audio_transcript.delta", "delta": "one "},
            {"type": "response.output_audio.delta", "bytes": 60},
            {"type": "response.output_audio_transcript.delta", "delta": "two"},
            {"type": "response.output_audio.delta", "bytes": 40},
            {"type": "conversation.item.done", "item": item},
            {"type": "response.done", "response": response},
        ]
        for at, event in enumerate(events):
            event["event_id"] = f"event_{number}{at}"
        made.turns.append(Turn(number, "?", events, done=True))
        made.last += [question(number), copy.deepcopy(item)]
    return made


def events(made: History) -> list[dict[str, Any]]:
    return made.turns[1].events


BROKEN: dict[str, Callable[[History], Any]] = {
    "came more than once": lambda made: events(made).insert(3, copy.deepcopy(events(made)[2])),
    "out of order": lambda made: events(made).insert(1, events(made).pop(4)),
    "bytes of speech": lambda made: events(made).pop(3),
    "the words that came": lambda made: events(made).pop(4),
    "never ended": lambda made: setattr(made.turns[1], "done", False),
    "ended 0 times": lambda made: events(made).pop(),
    "answers were begun": lambda made: events(made).pop(1),
    "the question is there 0 times": lambda made: events(made).pop(0),
    "is lost": lambda made: made.last.pop(),
    "has changed": lambda made: made.last[-1].update(role="user"),
    "could not go on": lambda made: setattr(made, "trouble", "nothing came"),
    "3 words instead of 2": lambda made: [
        made.turns[1].of("response.output_audio_transcript.delta")[1].update(delta="two two"),
        made.turns[1].of("response.done")[0]["response"]["output"][0]["content"][0].update(transcript="one two two"),
        made.last[-1]["content"][0].update(transcript="one two two"),
    ],
    "ended failed": lambda made: events(made)[-1]["response"].update(status="failed", status_details={}),
    "ended incomplete": lambda made: events(made)[-1]["response"].update(status="incomplete", status_details={}),
    "an error was sent": lambda made: events(made).append(
        {"type": "error", "event_id": "event_19", "error": {"message": "no"}}
    ),
}


WHOLE = Whole("one two", 100)


def test_a_history_in_which_nothing_is_wrong_has_no_violations() -> None:
    assert violations(history(), WHOLE) == []


@pytest.mark.parametrize("complaint", BROKEN)
def test_a_broken_promise_is_named(complaint: str) -> None:
    made = history()
    BROKEN[complaint](made)
    assert any(complaint in one for one in violations(made, WHOLE)), violations(made, WHOLE)
