"""Transcription of the user's speech."""

from __future__ import annotations

import msgspec

from antiphon.conversation import effects, inputs
from antiphon.wire import realtime_codec
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    strict_world,
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
