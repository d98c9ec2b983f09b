"""Sessions that are resumed at another gateway."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.effects import Effect
from antiphon.conversation.resume import greeting, greeting_id, held_refs, is_noticeable, number_of, speakers
from antiphon.wire.realtime_server import SessionResumed
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    asked,
    degradable,
    ended,
    fresh_step,
    spoken_answer,
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


RESUMED = effects.Send(SessionResumed(event_id="event_1", session_id="sess_1", audio_start_ms=0, client_event_id=None))


@pytest.mark.parametrize(("found", "given_out", "is_saved_first"), [
    ([], 0, False),
    ([effects.ForgetInput(5), effects.DropSpeech(1)], 0, False),
    ([], 1, True),
    ([effects.ForgetInput(5), effects.CancelJob("job_1")], 0, True),
    ([RESUMED], 0, True),
])  # fmt: skip
def test_a_step_is_saved_first_if_it_gives_out_an_id_or_has_a_visible_effect(
    found: list[Effect], given_out: int, is_saved_first: bool
) -> None:
    assert is_noticeable(found, given_out) is is_saved_first


def test_speech_that_is_held_by_pacing_is_known_with_its_job() -> None:
    world = World(session_rules(pace=True))
    spoken_answer(world)
    sent = len(world.sent_audio)
    assert held_refs(world.machine.state) == set(range(sent + 1, sent + 1 + len(world.speech)))
    assert speakers(world.machine.state) == [world.started(effects.StartAnswer)[-1].speak_job_id]


def test_speech_that_is_held_by_a_speculation_is_known() -> None:
    world = World(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    assert len(held_refs(world.machine.state)) == 4
    assert held_refs(world.machine.state) == world.speech
    assert speakers(world.machine.state) == []


@pytest.mark.parametrize(("token", "extras"), [("", None), ("secret", {"resume_token": "secret"})])
def test_a_greeting_has_the_token_of_a_session_that_can_be_resumed(token: str, extras: dict[str, str] | None) -> None:
    state = fresh_step().state
    state.resume_token = token
    created = msgspec.to_builtins(greeting(state, "event_1"))
    assert (created["event_id"], created["session"]["id"]) == ("event_1", state.session.id)
    assert created.get("antiphon") == extras


def test_a_resumed_session_gives_out_no_id_that_was_given_out_before() -> None:
    world = World()
    before = world.machine.state.counter
    world.tell(inputs.Resumed(before + 500, keeps_answers=True))
    assert world.last("antiphon.session.resumed")["event_id"] == f"event_seed{before + 501:07d}"
    world.tell(inputs.Resumed(3, keeps_answers=True))
    assert world.last("antiphon.session.resumed")["event_id"] == f"event_seed{before + 502:07d}"
