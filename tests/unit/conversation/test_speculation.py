"""Responses begun in the first silence of a turn."""

from __future__ import annotations

import pytest

from antiphon.conversation import effects, inputs, snapshot
from antiphon.entities.speech import Segment
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    same_but_for_ids,
    strict_world,
    updated,
)


@pytest.mark.parametrize("early", [0, 1, 2, 3, 4])
def test_the_deltas_of_a_transcript_are_the_transcript_however_early_it_was_begun(early: int) -> None:
    world = strict_world(session_rules(speculate_ms=96))
    updated(world, audio={"input": {"transcription": {"model": "whisper-1"}}})
    world.append(1000, 0.9)
    world.append(200, 0.01)
    job = world.started(effects.StartTranscription)[-1].job_id
    world.jobs.clear()
    for number, text in enumerate((" Hello,", "", " is this", "you?")):  # one without words was not recognised
        if number == early:
            world.append(400, 0.01)
        world.tell(inputs.Transcribing(job, Segment(text, number, number + 1.0)))
    if early == 4:
        world.append(400, 0.01)
    world.tell(inputs.Transcribed(job, "Hello, is this you?", 3.0))
    deltas = [event["delta"] for event in world.events if event["type"].endswith("transcription.delta")]
    assert "".join(deltas) == "Hello, is this you?"
    completed = world.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "Hello, is this you?"


def test_a_refused_event_leaves_an_early_answer_alone() -> None:
    world = strict_world(session_rules(speculate_ms=96))
    world.append(1000, 0.9)
    world.append(200, 0.01)
    world.finish()
    before = snapshot.dump(world.machine.state)
    (error,) = world.send("conversation.item.delete", item_id="nowhere")
    assert error["type"] == "error"
    assert same_but_for_ids(before, world)
    world.append(400, 0.01)
    world.finish()
    assert len(world.started(effects.StartAnswer)) == 1
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_speculative_answer_is_held_until_the_turn_is_over() -> None:
    world = strict_world(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    assert len(world.started(effects.StartAnswer)) == 1
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.append(400, 0.01)
    types = world.types()
    assert types.index("input_audio_buffer.committed") < types.index("response.created")
    assert types[-1] == "response.done", "all was ready: it comes with the commit"
    assert len(world.started(effects.StartAnswer)) == 1
    assert world.speech == set()


def test_a_speculative_answer_is_dropped_without_a_trace_when_speech_continues() -> None:
    world = strict_world(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    first = world.started(effects.StartAnswer)[0]
    world.append(320, 0.9)
    assert {effect.job_id for effect in world.started(effects.CancelJob)} >= {first.job_id, first.speak_job_id}
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    assert world.speech == set()
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_late_transcript_of_a_dropped_speculation_changes_nothing() -> None:
    world = World(session_rules(speculate_ms=96))
    world.append(800, 0.9)
    world.append(128, 0.01)
    stale = world.started(effects.StartTranscription)[-1].job_id
    world.append(200, 0.9)
    before = len(world.events)
    world.tell(inputs.Transcribed(stale, "too late", 1.0))
    assert len(world.events) == before
    assert not world.started(effects.StartAnswer)


def test_a_speculation_that_fails_leaves_the_turn_as_if_there_had_been_none() -> None:
    world = World(session_rules(speculate_ms=180))
    world.append(1000, 0.9)
    world.append(256, 0.01)
    (first,) = world.started(effects.StartTranscription)
    world.fail(first.job_id)
    assert world.machine.state.speculation is None
    world.append(400, 0.01)
    world.finish()
    assert len(world.started(effects.StartTranscription)) == 2
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_speculation_with_an_empty_transcript_begins_no_answer_and_is_the_transcript_of_its_turn() -> None:
    world = World(session_rules(speculate_ms=180))
    world.heard = ""
    world.append(1000, 0.9)
    world.append(256, 0.01)
    world.finish()
    assert world.started(effects.StartAnswer) == []
    world.append(400, 0.01)
    world.finish()
    assert "input_audio_buffer.committed" in world.types()
    assert len(world.started(effects.StartTranscription)) == 1
