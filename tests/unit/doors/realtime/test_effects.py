"""What a machine asks for is carried out: speech that is cut off, history, counting."""

from __future__ import annotations

import pybase64
import pytest
from structlog.testing import capture_logs

from antiphon.errors import ProviderUnavailable
from antiphon.wire.entries import AudioReady, JobFailed, TextReady
from tests.unit.doors.realtime.stage import resumed, staged

SECOND = AudioReady("", bytes(48_000))


@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcmu"])
async def test_speech_that_was_still_queued_when_its_answer_was_broken_off_was_not_heard(form: str) -> None:
    async with staged() as stage:
        output = {"format": {"type": form}}
        await stage.send("session.update", session={"type": "realtime", "audio": {"output": output}})
        await stage.send("response.create")
        (response,) = stage.session.machine.state.responses.values()
        await stage.work(response.job_id, TextReady("", "one two three four five six"))
        await stage.work(response.speak_job_id, AudioReady("", bytes(48_000), "one two three four five six"))
        stage.reads.clear()
        await stage.work(response.speak_job_id, SECOND, SECOND)
        item_id = response.outputs[0].item_id
        await stage.send("response.cancel")
        stage.reads.set()
        await stage.session.flushed()
        done = stage.last("response.done")["response"]
        assert (done["status"], done["output"][0]["id"]) == ("cancelled", item_id)
        heard = b"".join(
            pybase64.b64decode(event["delta"]) for event in stage.events if event["type"].endswith("audio.delta")
        )
        await stage.send("conversation.item.retrieve", item_id=item_id)
        (part,) = stage.last("conversation.item.retrieved")["item"]["content"]
        assert abs(len(pybase64.b64decode(part["audio"])) - len(heard)) <= 2
        await stage.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60_000)
        assert abs(stage.last("conversation.item.truncated")["audio_end_ms"] - 2000) < 200  # one was on its way


async def test_audio_of_an_item_is_that_of_the_committed_turn_until_the_item_is_deleted() -> None:
    async with staged() as stage:
        await stage.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(range(200)) * 48).decode())
        await stage.send("input_audio_buffer.commit")
        item_id = stage.last("input_audio_buffer.committed")["item_id"]
        await stage.send("conversation.item.retrieve", item_id=item_id)
        (part,) = stage.last("conversation.item.retrieved")["item"]["content"]
        assert pybase64.b64decode(part["audio"]) == bytes(range(200)) * 48
        await stage.send("conversation.item.delete", item_id=item_id)
        (refused,) = await stage.send("conversation.item.retrieve", item_id=item_id)
        assert refused["type"] == "error"


async def test_a_failure_that_the_gateway_before_has_counted_is_not_counted_again() -> None:
    async with staged(is_saved=True) as stage:
        await stage.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
        await stage.send("response.create")
        await stage.turns()  # it is saved
        (response,) = stage.session.machine.state.responses.values()
        with capture_logs() as before:
            failed = JobFailed.of("", ProviderUnavailable("away", code="provider_unavailable"))
            await stage.work(response.job_id, failed)
        assert [line["component"] for line in before if line["event"] == "degraded"] == ["llm"]
        with capture_logs() as after:
            async with resumed(stage, None):
                await stage.turns()
                assert stage.session.machine.state.down == ["llm"]
        assert "degraded" not in [line["event"] for line in after]
