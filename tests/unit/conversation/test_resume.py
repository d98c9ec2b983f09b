"""Sessions that are resumed at another gateway."""

from __future__ import annotations

import pytest

from antiphon.conversation import effects
from antiphon.conversation.resume import greeting_id, number_of
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    asked,
    degradable,
    ended,
)


def test_a_session_that_is_resumed_in_an_apology_continues_with_it() -> None:
    made = degradable()
    made.fail(asked(made))
    made.resume()
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")


@pytest.mark.parametrize(
    "foreign", ["", "event_", "event_other0000003", "item_seed0000003", "event_seedr3", "event_seed٣"]
)
def test_an_event_of_another_conversation_has_no_number(foreign: str) -> None:
    assert number_of(foreign, World().machine.state.seed) is None


def test_a_greeting_comes_between_the_last_event_and_the_next() -> None:
    state = World().machine.state
    greeting = greeting_id(state, 7, 3)
    assert number_of(greeting, state.seed) == 7
    assert "event_seed0000007" < greeting < "event_seed0000008"


def test_a_response_in_progress_continues_and_a_turn_in_progress_is_asked_for_again() -> None:
    world = World(session_rules())
    world.say_text()
    world.send("response.create", event_id="mine")
    world.work(steps=2)
    world.append(500, 0.95)
    world.resume()
    note = world.last("antiphon.session.resumed")
    assert (note["audio_start_ms"], note["client_event_id"]) == (0, "mine")
    world.finish()
    assert world.last("response.done")["response"]["status"] in ("completed", "cancelled")
    assert world.machine.state.buffer.written == 0


def test_a_client_that_asks_for_no_missed_events_ends_the_responses_in_progress() -> None:
    world = World(session_rules())
    world.say_text()
    world.send("response.create")
    world.work(steps=2)
    world.resume(missed=False)
    done = world.last("response.done")["response"]
    assert done["status"] == "incomplete"
    assert {effect.job_id for effect in world.started(effects.CancelJob)} == set(world.jobs)
    world.finish()
    assert world.speech == set()


def test_input_before_the_last_commit_is_not_asked_for_again() -> None:
    world = World(session_rules())
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    world.append(700)
    world.send("input_audio_buffer.commit")
    world.append(300)
    world.resume()
    assert world.last("antiphon.session.resumed")["audio_start_ms"] == 700
    assert world.machine.state.buffer.written == 700 * MS
