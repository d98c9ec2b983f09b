"""The rows of a conversation: its items, function calls and usage, those of one input in one unit."""

from __future__ import annotations

import msgspec
import pybase64

from antiphon.entities.history import StoredCall, Unit
from antiphon.wire.entries import AnswerDone, CallReady, SentenceReady, TextReady
from tests.unit.doors.realtime.stage import staged

TEXT = {"type": "realtime", "output_modalities": ["text"]}


def calls(units: list[Unit]) -> list[StoredCall]:
    return [call for unit in units for call in unit.calls]


async def test_what_is_changed_and_deleted_goes_into_the_history() -> None:
    async with staged() as stage:
        item = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        await stage.send("conversation.item.create", item=item)
        await stage.send("conversation.item.delete", item_id="item_1")
        (made,), (deleted,) = (unit.items for unit in stage.units)
        assert (made.session_id, made.item_id, made.deleted, b"Hi" in made.content) == ("sess_1", "item_1", False, True)
        assert (deleted.item_id, deleted.deleted, deleted.content) == ("item_1", True, b"")
        assert deleted.revision > made.revision


async def test_an_answer_and_its_usage_are_one_unit() -> None:
    async with staged() as stage:
        await stage.send("session.update", session=TEXT)
        await stage.send("response.create")
        (response,) = stage.session.machine.state.responses.values()
        await stage.work(
            response.job_id, TextReady("", "Hello."), AnswerDone("", "stop", input_tokens=11, output_tokens=3)
        )
        done = stage.last("response.done")["response"]
        unit = stage.units[-1]
        assert [item.item_id for item in unit.items] == [done["output"][0]["id"]]
        assert not unit.items[0].interrupted
        used = {row.metric: (row.record_id, row.amount) for row in unit.usage}
        assert used == {
            "requests": (f"{done['id']}:requests", 1),
            "input_tokens": (f"{done['id']}:input_tokens", 11),
            "output_tokens": (f"{done['id']}:output_tokens", 3),
        }


async def test_an_answer_that_is_cancelled_is_interrupted() -> None:
    async with staged() as stage:
        await stage.send("session.update", session=TEXT)
        await stage.send("response.create")
        (response,) = stage.session.machine.state.responses.values()
        await stage.work(response.job_id, TextReady("", "Once upon"), SentenceReady("", ""))
        await stage.send("response.cancel")
        (item,) = [item for unit in stage.units for item in unit.items if item.interrupted]
        assert b"Once upon" in item.content


async def test_an_answer_that_reaches_its_limit_is_not_interrupted() -> None:
    async with staged() as stage:
        await stage.send("session.update", session=TEXT)
        await stage.send("response.create")
        (response,) = stage.session.machine.state.responses.values()
        await stage.work(response.job_id, TextReady("", "Once upon"), AnswerDone("", "length"))
        assert stage.last("response.done")["response"]["status"] == "incomplete"
        assert not [item for unit in stage.units for item in unit.items if item.interrupted]


async def test_a_function_call_and_its_output_are_two_halves_of_a_row() -> None:
    async with staged() as stage:
        tool = {"type": "function", "name": "find", "parameters": {"type": "object"}}
        await stage.send("session.update", session={**TEXT, "tools": [tool]})
        await stage.send("response.create")
        (response,) = stage.session.machine.state.responses.values()
        await stage.work(response.job_id, CallReady("", 0, "call_1", "find", '{"a": 1}'), AnswerDone("", "tool_calls"))
        output = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
        await stage.send("conversation.item.create", item=output)
        call, answer = calls(stage.units)
        call_item, output_item = stage.units[-2].items[-1].item_id, stage.units[-1].items[-1].item_id
        assert (call.call_id, call.name, call.arguments, call.output) == ("call_1", "find", '{"a": 1}', None)
        assert (call.status, call.revision > 0, call.item_id) == ("completed", True, call_item)
        assert (answer.item_id, answer.output, answer.revision, answer.name) == (call_item, "found", 0, "")
        assert (answer.completed_at is not None, answer.output_revision > 0) == (True, True)
        for item_id in (output_item, call_item):
            await stage.send("conversation.item.delete", item_id=item_id)
        no_output, no_call = calls(stage.units)[2:]
        assert (no_output.output, no_output.output_revision > answer.output_revision) == (None, True)
        assert (no_call.name, no_call.arguments, no_call.revision > call.revision) == ("", "", True)
        assert {half.item_id for half in calls(stage.units)} == {call_item}


async def test_audio_is_counted_when_it_becomes_an_item() -> None:
    async with staged() as stage:
        await stage.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(48_000)).decode())
        await stage.send("input_audio_buffer.commit")
        (unit,) = stage.units
        (item,), (used,) = unit.items, unit.usage
        assert msgspec.json.decode(item.content)["content"][0]["type"] == "input_audio"
        assert (used.record_id, used.amount) == (f"{item.item_id}:audio_input_s", 1.0)
