"""Details of the machine that no whole conversation shows: odd clients, odd moments, and what must not change then."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from antiphon.conversation import effects, inputs, snapshot
from antiphon.conversation.alignment import words
from antiphon.conversation.state import Playout, Rules, SpokenSentence
from antiphon.entities.speech import Segment
from antiphon.ports.limiter import Allowance
from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from tests.contract.recorder import check_server_event
from tests.options import session_rules
from tests.simulation import MS
from tests.simulation import World as AnyWorld


def World(rules: Rules | None = None, **options: Any) -> AnyWorld:  # noqa: N802 - stands for the class
    """A world that holds every event against the contract."""
    return AnyWorld(rules, contract=check_server_event, **options)


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", **fields}


def user(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **fields}


def answer(world: AnyWorld, **wish: Any) -> dict[str, Any]:
    """Ask for an answer and let it finish."""
    world.send("response.create", response=wish)
    world.finish()
    return world.last("response.done")["response"]


# -- ids that clients choose -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["speculation", "response", "", "UNSET", "None", "root", 'a"b\\c', "ü" * 128])
def test_an_item_may_have_any_id_and_its_speech_is_understood(name: str) -> None:
    world = World()
    item = user("hi", **({"id": name} if name else {}))
    assert world.send("conversation.item.create", item=item)[-1]["type"] == "conversation.item.done"
    if name:
        world.send("conversation.item.delete", item_id=name)
        world.say_audio(1000, id=name)
    world.finish()
    assert answer(world)["status"] == "completed"
    assert "what time is it" in world.request().messages[-1].text or not name


def test_a_job_that_fails_never_fails_a_response_that_an_item_is_named_after() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.say_audio(1000, id=world.last("response.created")["response"]["id"])
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    assert "response.done" not in world.types()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_item_cannot_take_the_id_of_the_turn_that_is_being_spoken() -> None:
    world = World()
    world.append(500, 0.9)
    item_id = world.last("input_audio_buffer.speech_started")["item_id"]
    (error,) = world.send("conversation.item.create", item=user(id=item_id), event_id="mine")
    assert (error["error"]["code"], error["error"]["event_id"]) == ("item_create_duplicate_item_id", "mine")
    world.append(700, 0.01)
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def test_an_id_of_ours_that_a_client_took_first_is_passed_over() -> None:
    world = World()
    for number in range(40):
        world.send("conversation.item.create", item=user(id=f"item_seed{number:07d}"))
    world.speak()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"
    assert len(set(world.client.order)) == len(world.client.order)


# -- answers that cannot be given ------------------------------------------------------------------------------------
@pytest.mark.parametrize("speculate_ms", [0, 96])
@pytest.mark.parametrize("choice", [{"type": "function", "name": "nowhere"}, "required"])
def test_a_turn_whose_tool_choice_cannot_be_kept_fails_its_response_and_not_the_session(
    choice: Any, speculate_ms: int
) -> None:
    world = World(session_rules(speculate_ms=speculate_ms))
    world.send("session.update", session=session(tool_choice=choice))
    world.append(1000, 0.9)
    world.append(200, 0.01)
    world.finish()
    world.append(400, 0.01)
    world.finish()
    done = world.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "invalid_value"
    assert "error" not in world.types()
    world.send("session.update", session=session(tool_choice="auto"))
    world.speak()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("choice", "param"),
    [({"type": "function", "name": "nowhere"}, "response.tool_choice.name"), ("required", "response.tool_choice")],
)
def test_a_client_that_forces_a_tool_it_does_not_give_is_told_so(choice: Any, param: str) -> None:
    world = World()
    world.say_text()
    (error,) = world.send("response.create", response={"tool_choice": choice}, event_id="mine")
    assert error["error"]["param"] == param
    assert answer(world)["status"] == "completed"


def test_turns_that_a_limit_leaves_unanswered_are_not_charged() -> None:
    world = World()
    world.tell(inputs.AllowanceChanged((Allowance("requests", 2, 0, 30.0),)))
    world.speak()
    world.finish()
    failed = world.last("response.done")["response"]
    assert failed["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"
    assert world.started(effects.Charge) == []


# -- a response's own input ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["UNSET", "None", "mine"])
def test_an_own_input_is_what_was_written_and_not_an_item_of_the_same_name(name: str) -> None:
    world = World()
    world.send("conversation.item.create", item=user("wrong", id=name))
    item = user("right", **({"id": name} if name == "mine" else {}))
    answer(world, input=[item])
    assert [message.text for message in world.request().messages] == ["right"]


def test_an_own_input_may_refer_to_items_and_hold_what_was_said() -> None:
    world = World()
    world.speak()
    world.finish()
    heard, said = world.client.order
    parts = [{"type": "input_audio", "transcript": "and you"}]
    own = {"type": "message", "role": "user", "content": parts}
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "me too"}]}
    references = [{"type": "item_reference", "id": item_id} for item_id in (heard, said)]
    assert answer(world, input=[*references, own, spoken], conversation="none")["status"] == "completed"
    texts = [message.text.strip() for message in world.request().messages]
    assert texts == ["what time is it", "It is noon. The sun is high.", "and you", "me too"]


def test_an_own_input_leaves_out_what_is_deleted_before_it_is_answered() -> None:
    world = World()
    world.send("session.update", session=session(audio={"input": {"turn_detection": None}}))
    world.append(500)
    world.send("input_audio_buffer.commit")
    spoken = world.last("conversation.item.done")["item"]["id"]
    references = [{"type": "item_reference", "id": spoken}, user("still here")]
    world.send("response.create", response={"input": references})
    assert world.started(effects.StartAnswer) == []
    world.send("conversation.item.delete", item_id=spoken)
    world.finish()
    assert [message.text for message in world.request().messages] == ["still here"]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        (user() | {"content": [{"type": "input_text"}]}, "missing_required_parameter", "content[0].text"),
        (user() | {"content": [{"type": "input_image", "image_url": "x"}]}, "invalid_value", "content[0].type"),
        (user() | {"content": [{"type": "input_audio", "audio": "AAAA"}]}, "invalid_value", "content"),
        ({"type": "mcp_approval_response", "id": "a", "approve": True}, "invalid_value", "type"),
        ({"type": "item_reference", "id": "nowhere"}, "invalid_value", "id"),
    ],
)
def test_an_own_input_that_cannot_be_shown_is_refused_by_the_name_of_its_field(
    item: dict[str, Any], code: str, param: str
) -> None:
    world = World()
    (error,) = world.send("response.create", response={"input": [user(), item]})
    assert (error["error"]["code"], error["error"]["param"]) == (code, f"response.input[1].{param}")


# -- what a session says of itself -----------------------------------------------------------------------------------
def updated(world: AnyWorld, **fields: Any) -> dict[str, Any]:
    (event,) = world.send("session.update", session=session(**fields))
    return event["session"]


def test_absent_fields_of_nested_objects_stay_and_nulls_clear_them() -> None:
    world = World()
    first = {"model": "whisper-1", "language": "de", "keywords": ["Antiphon"]}
    updated(world, audio={"input": {"transcription": first, "noise_reduction": {"type": "near_field", "strength": 1}}})
    second = {"language": None, "prompt": "names"}
    listening = updated(world, audio={"input": {"transcription": second}})["audio"]["input"]
    assert listening["transcription"] == {"model": "whisper-1", "keywords": ["Antiphon"], "prompt": "names"}
    assert listening["noise_reduction"] == {"type": "near_field", "strength": 1.0}
    cleared = updated(world, audio={"input": {"transcription": None, "noise_reduction": None}})["audio"]["input"]
    assert (cleared["transcription"], cleared["noise_reduction"]) == (None, None)


def test_a_turn_detection_of_another_type_begins_with_its_own_defaults() -> None:
    world = World()
    server = {"type": "server_vad", "threshold": 0.8, "silence_duration_ms": 200, "create_response": False}
    updated(world, audio={"input": {"turn_detection": server}})
    kept = updated(world, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": None}}})
    assert kept["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": False,
        "interrupt_response": True,
        "idle_timeout_ms": None,
    }
    other = updated(world, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    assert other["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize(
    ("wish", "echo"),
    [
        ({"tools": [{"type": "function", "name": "f", "description": None}]}, [{"type": "function", "name": "f"}]),
        ({"reasoning": {"effort": None}}, {}),
        ({"tracing": {"group_id": None, "workflow_name": "w"}}, {"workflow_name": "w"}),
        ({"prompt": {"id": "p", "version": None, "variables": None}}, {"id": "p"}),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": None}},
            {"type": "retention_ratio", "retention_ratio": 0.5},
        ),
        ({"instructions": None}, ""),
        ({"instructions": ""}, ""),
        ({"tools": None}, []),
        ({"tools": []}, []),
        ({"tool_choice": None}, "auto"),
        ({"output_modalities": None}, ["audio"]),
        ({"max_output_tokens": None}, "inf"),
        ({"truncation": None}, "auto"),
        ({"tracing": None}, None),
        ({"prompt": None}, None),
        ({"include": None}, None),
        ({"model": "another"}, "gpt-realtime"),
    ],
    ids=str,
)
def test_nulls_inside_a_wish_clear_and_are_not_echoed(wish: dict[str, Any], echo: Any) -> None:
    world = World()
    first = {"instructions": "x", "tools": [{"type": "function", "name": "g"}], "max_output_tokens": 5}
    updated(world, **first, output_modalities=["text"], tracing="auto", truncation="disabled")
    (name,) = wish
    assert updated(world, **wish)[name] == echo


def test_a_null_output_keeps_the_voice_and_clears_the_rest() -> None:
    world = World()
    updated(world, audio={"output": {"voice": {"id": "mine"}, "speed": 1.2, "format": {"type": "audio/pcma"}}})
    output = updated(world, audio={"output": {"voice": None, "speed": None, "format": None}})["audio"]["output"]
    assert output == {"voice": "mine", "speed": 1.0, "format": {"type": "audio/pcm", "rate": 24000}}
    assert updated(world, audio={"output": None})["audio"]["output"] == output
    assert updated(world, audio=None)["audio"]["output"] == output


# -- what a response says of itself ----------------------------------------------------------------------------------
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}


def test_nulls_in_a_response_leave_the_sessions_values() -> None:
    world = World()
    updated(world, instructions="be brief", tools=[TOOL], max_output_tokens=7, output_modalities=["text"])
    names = ("output_modalities", "instructions", "audio", "tools", "tool_choice", "max_output_tokens", "metadata")
    more = ("conversation", "input", "prompt", "reasoning", "parallel_tool_calls")
    world.say_text()
    made = answer(world, **dict.fromkeys([*names, *more]))
    assert (made["output_modalities"], made["max_output_tokens"], made["metadata"]) == (["text"], 7, None)
    request = world.request()
    assert request.messages[0].text == "be brief"
    assert [tool.name for tool in request.tools] == ["look"]


def test_overrides_last_for_one_response() -> None:
    world = World()
    updated(world, instructions="be brief", tools=[TOOL], output_modalities=["text"])
    world.say_text()
    output = {"voice": {"id": "mine"}, "format": {"type": "audio/pcmu"}}
    made = answer(
        world,
        output_modalities=["audio"],
        instructions="",
        tools=[],
        tool_choice="none",
        max_output_tokens="inf",
        metadata={"topic": "weather"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        prompt={"id": "p"},
        audio={"output": output},
    )
    assert made["audio"]["output"] == {"voice": "mine", "format": {"type": "audio/pcmu"}}
    assert (made["output_modalities"], made["metadata"]) == (["audio"], {"topic": "weather"})
    first = world.request()
    assert (first.messages[0].role, first.tools, first.tool_choice) == ("user", (), "none")
    assert (first.parallel_tool_calls, first.reasoning_effort) == (False, "low")
    made = answer(world)
    assert (made["output_modalities"], made["metadata"]) == (["text"], None)
    assert (world.request().messages[0].text, len(world.request().tools)) == ("be brief", 1)


@pytest.mark.parametrize("modes", [[], ["audio", "text"], ["text", "text"]])
def test_modalities_that_do_not_go_together_are_refused(modes: list[str]) -> None:
    world = World()
    (error,) = world.send("response.create", response={"output_modalities": modes})
    assert error["error"]["param"] == "response.output_modalities"
    (error,) = world.send("session.update", session=session(output_modalities=modes))
    assert error["error"]["param"] == "session.output_modalities"


# -- what was heard --------------------------------------------------------------------------------------------------
WORD_MS = 300
LONG = "This is the answer and it has a few more words. It goes on, for a while. Then it is over."


def speaking(world: AnyWorld, *, piece_ms: int = 200, until_ms: int | None = None, whole: bool = True) -> str:
    """Ask, and let ``until_ms`` of the answer be made, 300 ms a word; returns the id of its item."""
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.jobs.clear()
    sentences = [f"{part.strip('.')}." for part in LONG.split(". ")]
    for sentence in sentences:
        world.tell(inputs.TextMade(job.job_id, f"{sentence} "))
    world.tell(inputs.AnswerMade(job.job_id, "stop", 7, 9))
    at_ms = 0
    for sentence in sentences:
        length_ms = len(sentence.split()) * WORD_MS
        for begin in range(0, length_ms, piece_ms):
            if until_ms is not None and at_ms >= until_ms:
                return world.client.order[-1]
            ticks = min(piece_ms, length_ms - begin) * MS
            world.made_audio(job.speak_job_id, ticks, "" if begin else sentence)
            at_ms += piece_ms
        if whole:
            world.tell(inputs.SentenceMade(job.speak_job_id))
    world.tell(inputs.SpeechMade(job.speak_job_id))
    return world.client.order[-1]


def kept(world: AnyWorld, item_id: str) -> str:
    """What the item says now."""
    world.send("conversation.item.retrieve", item_id=item_id)
    return world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"]


def is_close(world: AnyWorld, item_id: str, heard_ms: int) -> bool:
    """Say whether the item holds the words of that time, one more or less, in the words that were said."""
    text = kept(world, item_id)
    assert LONG.startswith(text), "a beginning of what was said, whole words"
    assert not LONG[len(text) :][:1].isalnum(), "whole words"
    return abs(len(text.split()) - heard_ms / WORD_MS) <= 1


@pytest.mark.parametrize("pace", [False, True])
def test_after_a_truncate_an_item_holds_the_words_that_were_played_one_more_or_less(pace: bool) -> None:
    places = random.Random(7)
    for _ in range(12):
        world = World(session_rules(pace=pace))
        item_id = speaking(world)
        world.advance(20.0)
        at_ms = places.randrange(len(LONG.split()) * WORD_MS)
        world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=at_ms)
        assert world.last("conversation.item.truncated")["audio_end_ms"] == at_ms
        assert is_close(world, item_id, at_ms)


@pytest.mark.parametrize("pace", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_after_a_barge_in_an_item_holds_the_words_that_were_played_one_more_or_less(pace: bool, whole: bool) -> None:
    places = random.Random(11)
    for _ in range(12):
        world = World(session_rules(pace=pace))
        item_id = speaking(world, whole=whole)
        played_s = places.uniform(0.3, len(LONG.split()) * WORD_MS / 1000 - 0.3)
        world.advance(played_s)
        world.append(100, 0.9)
        world.advance(2.1)
        assert abs(world.last("conversation.item.truncated")["audio_end_ms"] - played_s * 1000) < 210
        assert is_close(world, item_id, round(played_s * 1000))


@pytest.mark.parametrize("pace", [False, True])
def test_a_sentence_that_was_not_made_to_its_end_is_not_held_for_spoken(pace: bool) -> None:
    """The engine is slower than the listener: what was made is played, and the sentence goes on."""
    for made_ms in range(400, 3200, 200):
        world = World(session_rules(pace=pace))
        item_id = speaking(world, until_ms=made_ms)
        world.advance(5.0)
        world.append(100, 0.9)
        world.advance(2.1)
        assert world.last("conversation.item.truncated")["audio_end_ms"] == made_ms
        assert abs(len(kept(world, item_id).split()) - made_ms / WORD_MS) <= 2  # its pace is not known yet


def test_the_model_is_not_shown_words_of_a_cancelled_answer_that_were_never_sent() -> None:
    world = World(session_rules(pace=True))
    item_id = speaking(world)
    world.advance(0.9)
    world.send("response.cancel")
    assert kept(world, item_id).strip() == LONG
    world.send("response.create")
    said = next(message.text for message in world.request().messages if message.role == "assistant")
    assert 3 <= len(said.split()) <= 5


def test_what_was_cut_for_good_does_not_grow_again() -> None:
    world = World()
    item_id = speaking(world)
    for at_ms in (900, 5000, 600, 700):
        world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=at_ms)
    ends = [event["audio_end_ms"] for event in world.events if event["type"] == "conversation.item.truncated"]
    assert ends == [900, 900, 600, 600]
    assert kept(world, item_id) == "This is"


def test_a_truncate_at_nothing_leaves_an_item_that_says_nothing() -> None:
    world = World()
    item_id = speaking(world)
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    assert kept(world, item_id) == ""
    world.send("response.create")
    assert [message.role for message in world.request().messages] == ["user"]


def test_an_engine_that_names_no_sentences_is_cut_by_the_share_of_the_whole() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.jobs.clear()
    world.tell(inputs.TextMade(job.job_id, "one two three four"))
    world.tell(inputs.AnswerMade(job.job_id, "stop"))
    world.made_audio(job.speak_job_id, 2000 * MS, "")
    world.tell(inputs.SpeechMade(job.speak_job_id))
    item_id = world.client.order[-1]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=2000)
    assert kept(world, item_id) == "one two three four"
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert kept(world, item_id) == "one two"


@pytest.mark.parametrize(
    ("text", "share", "left"),
    [
        ("Привет, дорогой друг!", 0.5, "Привет,"),
        ("Größe übertrifft Schönheit", 0.5, "Größe"),
        ("مرحبا بالعالم الجميل", 0.5, "مرحبا"),
        ("今日はとても良い天気です", 0.5, "今日はとても"),
        ("สวัสดีครับ", 0.2, "ส"),
        ("한국어 문장은 짧다", 0.5, "한국어"),
        ("one", 0.8, ""),
        ("one", 1.0, "one"),
    ],
)
def test_words_end_where_words_end_in_every_script(text: str, share: float, left: str) -> None:
    playout = Playout(text=text, made=1000, whole=1000, sent=1000, spans=[SpokenSentence(text, 0)])
    assert words(playout, round(1000 * share)) == left


def test_a_sentence_that_the_engine_words_differently_does_not_lose_the_ones_behind_it() -> None:
    text = "It costs 5 €. That is cheap."
    spans = [SpokenSentence("It costs five euros.", 0), SpokenSentence("That is cheap.", 1000)]
    playout = Playout(text=text, made=2000, whole=2000, sent=2000, spans=spans)
    assert words(playout, 2000) == text
    assert words(playout, 1500) == "It costs 5 €. That is"


# -- the input buffer ------------------------------------------------------------------------------------------------
def test_what_was_committed_does_not_wait_in_the_buffer() -> None:
    world = World()
    updated(world, audio={"input": {"turn_detection": None}})
    for number in range(1, 4):
        world.append(500)
        world.send("input_audio_buffer.commit")
        kinds = [type(effect) for effect in world.effects]
        assert world.started(effects.ForgetInput)[-1] == effects.ForgetInput(number * 500 * MS, is_break=True)
        assert kinds.index(effects.StartTranscription) < kinds.index(effects.ForgetInput), "it is heard first"
    world = World()
    world.speak()
    ended = world.machine.state.buffer.start
    assert effects.ForgetInput(ended) in world.effects


@pytest.mark.parametrize("detection", [None, {"type": "semantic_vad"}, {"type": "server_vad", "idle_timeout_ms": None}])
def test_an_idle_time_out_that_was_taken_back_does_not_come(detection: Any) -> None:
    world = World()
    patient = {"type": "server_vad", "idle_timeout_ms": 1000}
    updated(world, audio={"input": {"turn_detection": patient}}, output_modalities=["text"])
    world.say_text()
    answer(world)
    updated(world, audio={"input": {"turn_detection": detection}})
    world.advance(30)
    assert "input_audio_buffer.timeout_triggered" not in world.types()


@pytest.mark.parametrize(
    ("detection", "start_ms", "stop_ms"),
    [
        ({"prefix_padding_ms": 0}, 992, 2496),
        ({"prefix_padding_ms": 60_000}, 0, 2496),
        ({"silence_duration_ms": 0}, 692, 2016),
        ({"silence_duration_ms": 60_000}, 692, None),
        ({"threshold": 0}, 692, 2496),
        ({"threshold": 1}, None, None),
    ],
    ids=str,
)
def test_the_bounds_of_turn_detection(detection: dict[str, Any], start_ms: int | None, stop_ms: int | None) -> None:
    world = World()
    updated(world, audio={"input": {"turn_detection": {"type": "server_vad", **detection}}})
    world.append(992, 0.0)
    world.append(992, 0.99)
    world.append(992, 0.0)
    starts = [event["audio_start_ms"] for event in world.events if event["type"].endswith("speech_started")]
    stops = [event["audio_end_ms"] for event in world.events if event["type"].endswith("speech_stopped")]
    assert starts == ([] if start_ms is None else [start_ms])
    assert stops == ([] if stop_ms is None else [stop_ms])
    world.finish()
    assert world.types().count("response.done") == len(stops)


def test_a_commit_in_the_middle_of_speech_ends_that_turn_and_hears_on() -> None:
    world = World()
    world.append(1000, 0.9)
    item_id = world.last("input_audio_buffer.speech_started")["item_id"]
    world.send("input_audio_buffer.commit")
    assert world.last("input_audio_buffer.speech_stopped")["audio_end_ms"] == 1000
    assert world.last("input_audio_buffer.committed")["item_id"] == item_id
    world.finish()
    assert "response.created" not in world.types(), "a commit asks for no answer"
    world.append(1000, 0.9)
    world.append(700, 0.01)
    world.finish()
    ids = [event["item_id"] for event in world.events if event["type"] == "input_audio_buffer.committed"]
    assert len(ids) == len(set(ids)) == 2
    assert world.last("response.done")["response"]["status"] == "completed"


# -- the order of items ----------------------------------------------------------------------------------------------
def stored(world: AnyWorld) -> list[str]:
    """Ids of the items in the order in which a store would give them."""
    newest = {effect.item_id: effect for effect in world.started(effects.PersistItem)}
    there = [effect for effect in newest.values() if effect.item is not None]
    return [effect.item_id for effect in sorted(there, key=lambda effect: effect.position)]


def test_the_store_has_the_items_in_the_order_of_the_conversation() -> None:
    places = random.Random(3)
    world = World()
    world.speak()
    world.finish()
    for number in range(60):
        place = places.choice([None, "root", *world.client.order])
        fields = {} if place is None else {"previous_item_id": place}
        world.send("conversation.item.create", item=user(id=f"mine_{number}"), **fields)
    assert stored(world) == world.client.order


def test_any_number_of_items_fit_behind_one() -> None:
    world = World()
    first = world.say_text()
    world.say_text()
    for number in range(100):
        world.send("conversation.item.create", item=user(id=f"mine_{number}"), previous_item_id=first)
    assert stored(world) == world.client.order
    positions = [record.position for record in world.machine.state.records]
    assert len(set(positions)) == len(positions)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_full_conversation_lets_the_oldest_go_first(most: int) -> None:
    world = World(session_rules(max_items=most))
    for _ in range(4):
        world.speak()
        world.finish()
        assert world.last("response.done")["response"]["status"] == "completed"
        assert len(world.client.order) <= most + 1
    (error,) = world.send("conversation.item.create", item=user())
    assert error["error"]["code"] == "conversation_items_limit_exceeded"


@pytest.mark.parametrize("place", ["", "nowhere", "None", "ROOT"])
def test_an_item_behind_one_that_is_not_there_is_refused(place: str) -> None:
    world = World()
    world.say_text()
    before = snapshot.dump(world.machine.state)
    (error,) = world.send("conversation.item.create", item=user(), previous_item_id=place, event_id="e")
    assert error["error"]["code"] == "item_create_invalid_previous_item_id"
    assert (error["error"]["param"], error["error"]["event_id"]) == ("previous_item_id", "e")
    assert same_but_for_ids(before, world)


def same_but_for_ids(before: bytes, world: AnyWorld) -> bool:
    """Say whether nothing has changed since but the number of ids given out."""
    then, now = snapshot.load(before), snapshot.load(snapshot.dump(world.machine.state))
    then.counter, then.client_event = now.counter, now.client_event
    return then == now


# -- what an answer costs --------------------------------------------------------------------------------------------
def test_a_cancelled_answer_is_charged_for_what_was_made_of_it() -> None:
    world = World()
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
    world = World()
    world.say_text()
    world.send("response.create")
    world.send("response.cancel")
    assert world.last("response.done")["response"]["usage"]["total_tokens"] == 0
    assert world.started(effects.Charge) == [effects.Charge(requests=1)]


def test_what_is_kept_back_of_speech_is_sent_unless_it_was_broken_off() -> None:
    for finish, flushed in (("stop", 1), ("length", 1), ("content_filter", 1), (None, 0)):
        world = World()
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


# -- bounds ----------------------------------------------------------------------------------------------------------
def test_a_conversation_holds_so_many_characters_and_no_more() -> None:
    world = World(session_rules(max_characters=100, accepts_images=True))
    world.send("conversation.item.create", item=user("x" * 60, id="long"))
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAANAAA"}
    image = {"type": "message", "role": "user", "content": [picture]}
    (error,) = world.send("conversation.item.create", item=image, event_id="mine")
    assert error["error"]["code"] == "conversation_size_limit_exceeded"
    assert (error["error"]["param"], error["error"]["event_id"]) == ("item", "mine")
    world.send("conversation.item.create", item=user("x" * 40))
    world.send("conversation.item.delete", item_id="long")
    assert world.send("conversation.item.create", item=image)[-1]["type"] == "conversation.item.done"


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "conversation.item.create", "item": user("x" * (2**20 + 1))}, "item.content[0].text"),
        ({"type": "session.update", "session": session(instructions="x" * (2**20 + 1))}, "session.instructions"),
        ({"type": "response.create", "response": {"instructions": "x" * (2**20 + 1)}}, "response.instructions"),
        ({"type": "response.create", "response": {"metadata": {"a": "x" * 513}}}, "response.metadata"),
        ({"type": "response.create", "response": {"metadata": {"x" * 65: "a"}}}, "response.metadata"),
        (
            {"type": "response.create", "response": {"metadata": dict.fromkeys(map(str, range(17)), "a")}},
            "response.metadata",
        ),
        ({"type": "response.cancel", "event_id": "x" * 513}, "event_id"),
        ({"type": "conversation.item.create", "item": user(id="x" * 129)}, "item.id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_beyond_its_bound_is_refused_by_the_name_of_its_field(event: dict[str, Any], param: str) -> None:
    with pytest.raises(BadEvent) as refused:
        realtime_codec.decode(msgspec.json.encode(event))
    assert refused.value.code in ("string_above_max_length", "object_above_max_properties")
    assert refused.value.param == param


# -- speech at the pace of listening ---------------------------------------------------------------------------------
@pytest.mark.parametrize("piece_ms", [20, 40, 100])
def test_paced_speech_is_never_further_ahead_than_its_lead_and_never_runs_dry(piece_ms: int) -> None:
    world = World(session_rules(pace=True, lead_ms=200))
    speaking(world, piece_ms=piece_ms)
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


# -- words and a call in one answer ----------------------------------------------------------------------------------
@pytest.mark.parametrize("modes", [["text"], ["audio"]])
def test_words_are_done_before_the_call_behind_them_and_both_before_their_answer(modes: list[str]) -> None:
    world = World()
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


def test_a_call_that_was_broken_off_is_not_shown_to_the_model_unless_it_was_answered() -> None:
    world = World()
    updated(world, output_modalities=["text"], tools=[TOOL])
    world.say_text()
    for number in (1, 2):
        world.send("response.create")
        job = world.started(effects.StartAnswer)[-1]
        world.jobs.clear()
        world.tell(inputs.CallMade(job.job_id, 0, f"call_{number}", "look", '{"at":'))
        world.send("response.cancel")
    output = {"type": "function_call_output", "call_id": "call_2", "output": "seen"}
    world.send("conversation.item.create", item=output)
    answer(world)
    calls = [call.call_id for message in world.request().messages for call in message.tool_calls]
    assert calls == ["call_2"]


# -- transcripts -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("early", [0, 1, 2, 3, 4])
def test_the_deltas_of_a_transcript_are_the_transcript_however_early_it_was_begun(early: int) -> None:
    world = World(session_rules(speculate_ms=96))
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
    world = World(session_rules(speculate_ms=96))
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
