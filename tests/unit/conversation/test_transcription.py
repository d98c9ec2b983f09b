"""Transcription of the user's speech."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation import effects, inputs, transcription
from antiphon.wire import realtime_codec
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    fresh_step,
    strict_world,
    text_record,
    transcript_of,
    updated,
)


def test_a_failed_transcription_keeps_the_item_and_answers_nothing() -> None:
    world = strict_world()
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {}}}})
    world.speak()
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    failed = world.last("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "provider_unavailable"
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.send("conversation.item.retrieve", item_id=failed["item_id"])
    assert world.types()[-1] == "conversation.item.retrieved"


def test_text_next_to_audio_keeps_its_index_when_the_transcript_comes_in_one_piece() -> None:
    world = World()
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    world.send("session.update", session={"type": "realtime", "audio": audio})
    content = [{"type": "input_text", "text": "Listen:"}, {"type": "input_audio"}]
    item = {"id": "mine", "type": "message", "role": "user", "content": content}
    created = msgspec.json.encode({"type": "conversation.item.create", "item": item})
    world.tell(inputs.Received(realtime_codec.decode(created), (1000 * MS,)))
    (job,) = world.started(effects.StartTranscription)
    told = world.tell(inputs.Transcribed(job.job_id, "what time is it", 1.0))
    kinds = [f"conversation.item.input_audio_transcription.{step}" for step in ("delta", "completed")]
    assert [(event["type"], event["content_index"]) for event in told] == [(kind, 1) for kind in kinds]
    assert told[0]["delta"] == told[1]["transcript"] == "what time is it"
    world.send("conversation.item.retrieve", item_id="mine")
    parts = world.last("conversation.item.retrieved")["item"]["content"]
    assert [part.get("text") or part.get("transcript") for part in parts] == ["Listen:", "what time is it"]


@pytest.mark.parametrize(("wish", "language", "prompt", "model"), [
    ({}, None, "", ""),
    ({"model": "whisper-1", "language": "de"}, "de", "", "whisper-1"),
    ({"languages": ["fr"]}, "fr", "", ""),
    ({"languages": ["fr", "de"]}, None, "", ""),
    ({"language": "de", "languages": ["fr"]}, "de", "", ""),
    ({"language": ""}, None, "", ""),
    ({"prompt": "names:", "keywords": ["Antiphon", "Valkey"]}, None, "names: Antiphon Valkey", ""),
    ({"keywords": ["Antiphon"]}, None, "Antiphon", ""),
])  # fmt: skip
def test_a_transcription_has_the_hints_of_the_session(
    wish: dict[str, Any], language: str | None, prompt: str, model: str
) -> None:
    world = World()
    updated(world, audio={"input": {"transcription": wish}})
    world.say_audio(500)
    (job,) = world.started(effects.StartTranscription)
    assert (job.language, job.prompt, job.model) == (language, prompt, model)


@pytest.mark.parametrize(("seconds", "extra_s"), [(0, 0), (1, 0), (30, 0), (31, 1), (600, 570)])
def test_audio_of_more_than_half_a_minute_has_so_much_more_time(seconds: int, extra_s: int) -> None:
    step = fresh_step(session_rules(job_timeout_s=10.0), now=100.0)
    record = text_record("item_1")
    record.input_ticks = seconds * TICKS_PER_S
    transcription.begin(step, record)
    (job,) = step.effects
    assert isinstance(job, effects.StartTranscription)
    assert (job.item_id, step.state.jobs[job.job_id].due, record.hearing) == ("item_1", 110.0 + extra_s, "pending")


def test_the_transcription_of_a_deleted_item_is_cancelled_and_its_result_ignored() -> None:
    world = World()
    world.say_audio(500, id="mine")
    world.say_audio(500, id="other")
    first, second = (job.job_id for job in world.started(effects.StartTranscription))
    world.send("conversation.item.delete", item_id="mine")
    assert world.started(effects.CancelJob) == [effects.CancelJob(first)]
    assert world.tell(inputs.Transcribed(first, "too late", 1.0)) == []
    assert list(world.machine.state.jobs) == [second]


def test_a_transcript_that_the_client_did_not_ask_for_is_for_the_llm_alone() -> None:
    world = World()
    world.say_audio(500, id="mine")
    before = len(world.events)
    world.finish()
    assert world.types()[before:] == []
    assert transcript_of(world, "mine") is None
    world.send("response.create")
    assert [one.text for one in world.request().messages] == ["what time is it"]


@pytest.mark.parametrize(("duration_s", "seconds"), [(1.23456, 1.235), (0.0, 0.5)])
def test_the_usage_of_a_transcript_is_its_duration_or_that_of_the_audio(duration_s: float, seconds: float) -> None:
    world = World()
    updated(world, audio={"input": {"transcription": {}}})
    world.say_audio(500)
    (job,) = world.started(effects.StartTranscription)
    world.tell(inputs.Transcribed(job.job_id, "yes", duration_s))
    completed = world.last("conversation.item.input_audio_transcription.completed")
    assert completed["usage"] == {"type": "duration", "seconds": seconds}
