"""The items of a response: deltas, calls, paced speech and usage."""

from __future__ import annotations

import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.effects import SendAudio, StartAnswer
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    TEXT,
    TOOL,
    answer,
    answering,
    compact,
    spoken_answer,
    strict_world,
    updated,
)

LENGTH_MS = 4000


def test_a_cancelled_answer_is_charged_for_its_tokens_so_far() -> None:
    world = strict_world()
    world.say_text("a question of about forty characters, no more")
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.work(job.job_id, 4)
    world.work(job.speak_job_id, 1)
    world.send("response.cancel")
    usage = world.last("response.done")["response"]["usage"]
    assert usage["input_token_details"]["text_tokens"] == 12
    assert usage["output_token_details"] == {"text_tokens": 4, "audio_tokens": 10}
    assert usage["total_tokens"] == 12 + 4 + 10
    assert world.started(effects.Charge) == [effects.Charge(requests=1), effects.Charge(tokens=26)]


def test_an_answer_that_never_began_costs_no_tokens() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.send("response.cancel")
    assert world.last("response.done")["response"]["usage"]["total_tokens"] == 0
    assert world.started(effects.Charge) == [effects.Charge(requests=1)]


def test_the_encoder_is_flushed_unless_the_response_was_cancelled() -> None:
    for finish, flushed in (("stop", 1), ("length", 1), ("content_filter", 1), (None, 0)):
        world = strict_world()
        world.say_text()
        world.send("response.create")
        job = world.started(effects.StartAnswer)[-1]
        world.work(job.speak_job_id, 2)
        if finish is None:
            world.send("response.cancel")
        else:
            world.tell(inputs.AnswerMade(job.job_id, finish))
            world.tell(inputs.SpeechMade(job.speak_job_id))
        assert len(world.started(effects.EndSpeech)) == flushed


@pytest.mark.parametrize("piece_ms", [20, 40, 100])
def test_paced_speech_is_never_further_ahead_than_its_lead_and_never_underruns(piece_ms: int) -> None:
    world = strict_world(session_rules(pace=True, lead_ms=200))
    spoken_answer(world, piece_ms=piece_ms)
    begin, sent_ms, leads = world.now, 0.0, list[float]()
    seen = 0
    while world.client.open:
        fresh = [effect.ticks for effect in world.sent_audio[seen:]]
        seen += len(fresh)
        sent_ms += sum(fresh) / MS
        leads.append(sent_ms - (world.now - begin) * 1000)
        world.advance(0.01)
    assert max(leads) <= 200.001
    assert min(leads[:-30]) > 0


@pytest.mark.parametrize("modes", [["text"], ["audio"]])
def test_text_is_done_before_the_call_after_it_and_both_before_their_response(modes: list[str]) -> None:
    world = strict_world()
    updated(world, output_modalities=modes, tools=[TOOL])
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.jobs.clear()
    world.events.clear()
    world.tell(inputs.TextMade(job.job_id, "Let me see."))
    world.tell(inputs.CallMade(job.job_id, 0, "call_1", "look", '{"at":'))
    world.tell(inputs.CallMade(job.job_id, 0, "call_1", "look", '"it"}'))
    world.tell(inputs.CallMade(job.job_id, 1, "call_2", "look", "{}"))
    world.tell(inputs.AnswerMade(job.job_id, "tool_calls", 5, 5))
    if job.speak_job_id:
        assert "response.function_call_arguments.done" not in world.types()
        world.made_audio(job.speak_job_id, 500 * MS, "Let me see.")
        world.tell(inputs.SpeechMade(job.speak_job_id))
    done = [event["item"] for event in world.events if event["type"] == "response.output_item.done"]
    assert [(item["type"], item["status"]) for item in done] == [
        ("message", "completed"),
        ("function_call", "completed"),
        ("function_call", "completed"),
    ]
    made = world.last("response.done")["response"]
    assert made["output"] == done
    assert [item.get("arguments") for item in done] == [None, '{"at":"it"}', "{}"]
    index = {
        event["item_id"]: event["output_index"]
        for event in world.events
        if "output_index" in event and "item_id" in event
    }
    assert [index[item["id"]] for item in done] == [0, 1, 2]
    for call in done[1:]:
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}
        assert world.send("conversation.item.create", item=output)[-1]["type"] == "conversation.item.done"
    assert answer(world)["status"] == "completed"
    roles = [message.role for message in world.request().messages]
    assert roles == ["user", "assistant", "assistant", "tool", "tool"]


def test_a_function_call_is_streamed_answered_and_continued() -> None:
    world = strict_world()
    world.send("session.update", session={**TEXT, "tools": [TOOL], "tool_choice": "required"})
    world.say_text()
    world.events.clear()
    world.send("response.create")
    world.finish()
    assert compact(world.types()) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    call = world.last("response.output_item.done")["item"]
    assert (call["status"], call["name"], call["arguments"]) == ("completed", "look", '{"a":1}')
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
    world.send("conversation.item.create", item=output)
    world.send("response.create", response={"tool_choice": "none"})
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
    asked = world.request().messages
    assert asked[-2].tool_calls[0].name == "look"
    assert (asked[-1].role, asked[-1].text) == ("tool", "42")


@pytest.mark.parametrize("conversation", ["auto", "none"])
@pytest.mark.parametrize(
    ("ending", "status"), [("cancel", "cancelled"), ("length", "incomplete"), ("stop", "completed")]
)
def test_a_response_shows_its_items_as_their_own_events_did(conversation: str, ending: str, status: str) -> None:
    world = strict_world()
    world.say_text()
    world.finish_reason = "length" if ending == "length" else "stop"
    world.send("response.create", response={"conversation": conversation})
    if ending == "cancel":
        world.work(next(iter(world.jobs)), 1)
        world.send("response.cancel", response_id=next(iter(world.client.open)))
    else:
        world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == status
    (shown,) = done["output"]
    assert shown == world.last("response.output_item.done")["item"]
    assert shown["status"] == ("completed" if status == "completed" else "incomplete")


def test_pacing_keeps_the_lead_small_and_ends_after_the_last_sound() -> None:
    world = strict_world(session_rules(pace=True, lead_ms=200))
    world.say_text()
    world.send("response.create")
    world.finish()
    assert world.types().count("response.output_audio.delta") == 1
    assert "response.done" not in world.types()
    world.advance(0.55)
    assert world.types().count("response.output_audio.delta") == 2
    world.advance(3)
    assert world.types().count("response.output_audio.delta") == 4
    assert world.last("response.done")["response"]["status"] == "completed"


def test_a_cancelled_paced_answer_drops_its_held_speech() -> None:
    world = strict_world(session_rules(pace=True))
    world.say_text()
    world.send("response.create")
    world.finish()
    world.send("response.cancel")
    world.events.clear()
    world.advance(5)
    assert [kind for kind in world.types() if kind != "conversation.item.truncated"] == []
    assert world.speech == set()


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_cut_short_is_incomplete_with_its_reason(finish: str, reason: str) -> None:
    world = strict_world()
    world.send("session.update", session=TEXT)
    world.say_text()
    world.send("response.create", response={"max_output_tokens": 5})
    assert world.request().max_tokens == 5
    job = world.started(effects.StartAnswer)[-1].job_id
    world.tell(inputs.TextMade(job, "cut"))
    world.tell(inputs.AnswerMade(job, finish))
    done = world.last("response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", reason)


def test_a_function_call_of_an_interrupted_answer_is_closed_as_incomplete() -> None:
    world = World()
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    world.send("session.update", session={"type": "realtime", "tools": [tool], "tool_choice": "required"})
    world.say_text()
    world.send("response.create")
    world.work(world.started(effects.StartAnswer)[-1].job_id, 1)
    world.append(640, 0.9)
    done = world.last("response.done")["response"]
    assert done["status_details"]["reason"] == "turn_detected"
    assert done["output"][0]["status"] == "incomplete"
    world.advance(5)
    assert "conversation.item.truncated" not in world.types()


def test_a_call_without_arguments_has_no_delta() -> None:
    world = World()
    job = answering(world).job_id
    world.jobs.clear()
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", ""))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    world.tell(inputs.SpeechMade(world.started(effects.StartAnswer)[-1].speak_job_id))
    assert "response.function_call_arguments.delta" not in world.types()
    assert world.last("response.function_call_arguments.done")["arguments"] == ""


def test_text_after_a_call_is_an_item_of_its_own() -> None:
    world = World()
    world.send("session.update", session={"type": "realtime", "output_modalities": ["text"], "tools": [TOOL]})
    job = answering(world).job_id
    world.jobs.clear()
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", "{}"))
    world.tell(inputs.TextMade(job, "One moment."))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    output = world.last("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["function_call", "message"]


def made_at_once(world: World, piece_ms: int) -> float:
    """A paced answer whose speech is all made at once; returns when it began."""
    world.say_text()
    world.send("response.create")
    job = next(effect for effect in world.effects if isinstance(effect, StartAnswer)).speak_job_id
    for number in range(LENGTH_MS // piece_ms):
        world.made_audio(job, piece_ms * MS, "It is noon." if number == 0 else "")
    return world.now


def sent_ms(world: World, piece_ms: int) -> int:
    return sum(isinstance(effect, SendAudio) for effect in world.effects) * piece_ms


@pytest.mark.parametrize("piece_ms", [20, 40, 100])
def test_the_lead_stays_within_one_burst_of_its_maximum(piece_ms: int) -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    begin = made_at_once(world, piece_ms)
    assert sent_ms(world, piece_ms) == 200
    for _ in range(LENGTH_MS // 5 - 50):
        world.advance(0.005)
        lead_ms = sent_ms(world, piece_ms) - (world.now - begin) * 1000
        assert 200 - max(80, piece_ms) - 2 <= lead_ms <= 202


@pytest.mark.parametrize(("piece_ms", "burst_ms"), [(20, 80), (40, 80), (100, 100)])
def test_short_pieces_leave_several_at_a_time(piece_ms: int, burst_ms: int) -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    made_at_once(world, piece_ms)
    world.now = world.machine.wake_at(world.now)
    world.advance(0)  # the first that does not fit goes alone, as if nothing came behind it
    ticks, begin = 0, sent_ms(world, piece_ms)
    while (before := sent_ms(world, piece_ms)) < begin + 2000:
        world.now = max(world.now, world.machine.wake_at(world.now))
        world.advance(0)
        ticks += 1
        assert sent_ms(world, piece_ms) - before == burst_ms
    assert ticks == 2000 / burst_ms
