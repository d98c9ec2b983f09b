"""A conversation without a model, a voice, or ears; and jobs of which nothing is heard."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.state import Rules
from tests.options import session_rules
from tests.simulation import MS, World

SORRY = "Sorry. I cannot answer now. I understood: {heard}"
RULES = session_rules(apology=SORRY, job_timeout_s=10.0)


def world(*, rules: Rules = RULES, include: bool = True) -> World:
    made = World(rules)
    if include:
        made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    return made


def asked(made: World, text: str = "what time is it", **response: Any) -> str:
    """Ask something; returns the job that writes the answer."""
    made.say_text(text)
    made.send("response.create", response=response)
    return made.started(effects.StartAnswer)[-1].job_id


def ended(made: World) -> tuple[str, str]:
    """How the last answer ended, and its words."""
    made.finish()
    done = made.last("response.done")["response"]
    parts = [part for item in done["output"] for part in item["content"]]
    return done["status"], " ".join(part.get("transcript") or part.get("text") for part in parts)


def told(made: World) -> list[tuple[str, str, str]]:
    return [
        (event["type"].removeprefix("antiphon."), event["leg"], event["mode"])
        for event in made.events
        if event["type"] in ("antiphon.degraded", "antiphon.recovered")
    ]


# -- without a model ---------------------------------------------------------------------------------------------------
def test_the_apology_is_spoken_costs_nothing_and_says_what_was_understood() -> None:
    made = world()
    made.fail(asked(made))
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")
    assert effects.CancelJob(made.started(effects.StartAnswer)[-1].speak_job_id) in made.effects
    (speech,) = made.started(effects.StartSpeech)
    assert speech.text == "Sorry. I cannot answer now. I understood: what time is it"
    assert len(made.sent_audio) == 2
    usage = made.last("response.done")["response"]["usage"]
    assert (usage["input_tokens"], usage["output_token_details"]["text_tokens"]) == (0, 0)
    assert made.last("conversation.item.done")["item"]["role"] == "assistant"
    assert "error" not in made.types()
    assert told(made) == [("degraded", "llm", "apology")]


def test_speech_that_was_understood_is_repeated() -> None:
    made = world()
    made.heard = "is anybody there"
    made.speak()
    made.work(made.started(effects.StartTranscription)[-1].job_id)
    made.fail(made.started(effects.StartAnswer)[-1].job_id)
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: is anybody there")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (SORRY, "Sorry. I cannot answer now."),
        ("Sorry, no. {heard}? Later.", "Sorry, no."),
        ("Not now.", "Not now."),
        ("Sorry! You said {heard}", "Sorry!"),
        ("Not now.\nYou said: {heard}", "Not now."),
        ("申し訳ありません。「{heard}」ですね", "申し訳ありません。"),
        ("You said {heard}", "You said …"),
    ],
)
def test_where_nothing_was_understood_that_sentence_is_left_out(template: str, said: str) -> None:
    made = world(rules=session_rules(apology=template))
    made.send("response.create")
    made.fail(made.started(effects.StartAnswer)[-1].job_id)
    assert ended(made) == ("completed", said)


def test_a_long_question_is_repeated_in_part() -> None:
    made = world()
    made.fail(asked(made, "word " * 100))
    _, words = ended(made)
    assert words.endswith("word …")
    assert len(words) < 260


def test_who_reads_gets_the_apology_in_writing() -> None:
    made = world()
    made.fail(asked(made, output_modalities=["text"]))
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")
    assert made.started(effects.StartSpeech) == []


@pytest.mark.parametrize(
    "wish",
    [
        {"conversation": "none"},
        {"tools": [{"type": "function", "name": "look"}], "tool_choice": "required"},
        {
            "tools": [{"type": "function", "name": "look"}],
            "tool_choice": {"type": "function", "name": "look"},
        },
    ],
)
def test_who_needs_a_model_s_own_words_gets_none(wish: dict[str, Any]) -> None:
    made = world()
    made.fail(asked(made, **wish))
    assert ended(made) == ("failed", "")
    assert told(made) == [("degraded", "llm", "apology")]


def test_an_answer_that_has_begun_is_not_followed_by_an_apology() -> None:
    made = world()
    job = asked(made)
    made.work(job, steps=1)
    made.fail(job)
    status, words = ended(made)
    assert (status, words.strip()) == ("failed", "It")
    assert told(made) == []


@pytest.mark.parametrize(
    ("code", "transient"), [("invalid_value", False), ("internal_error", False), ("worker_stopped", True)]
)
def test_what_lies_with_the_request_with_us_or_with_one_worker_is_no_outage(code: str, transient: bool) -> None:
    made = world()
    made.tell(inputs.Failed(asked(made), "api_error", code, "no", transient))
    assert ended(made) == ("failed", "")
    assert told(made) == []


def test_an_answer_that_redis_could_not_carry_is_an_apology_and_its_legs_are_not_blamed() -> None:
    made = world()
    job, speaker = asked(made), made.started(effects.StartAnswer)[-1].speak_job_id
    made.jobs.clear()
    for name in (speaker, job):
        made.tell(inputs.Failed(name, "api_error", "redis_unavailable", "Redis cannot be used"))
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")
    assert told(made) == []


def test_the_apology_is_for_what_was_asked() -> None:
    made = world()
    made.say_text("something else")
    own = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "this"}]}
    made.send("response.create", response={"input": [own]})
    made.fail(made.started(effects.StartAnswer)[-1].job_id)
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: this")


def test_without_a_text_for_it_the_answer_fails() -> None:
    made = world(rules=session_rules())
    made.fail(asked(made))
    assert ended(made) == ("failed", "")


def test_a_cancelled_apology_is_over() -> None:
    made = world()
    made.fail(asked(made))
    made.send("response.cancel")
    assert made.last("response.done")["response"]["status"] == "cancelled"
    made.finish()
    assert made.machine.state.jobs == {}


# -- being told --------------------------------------------------------------------------------------------------------
def test_a_leg_is_told_once_when_it_fails_and_once_when_it_works() -> None:
    made = world()
    for _ in range(2):
        made.fail(asked(made))
        ended(made)
    for _ in range(2):
        asked(made)
        ended(made)
    assert told(made) == [("degraded", "llm", "apology"), ("recovered", "llm", "apology")]
    changes = [(change.component, change.is_down) for change in made.started(effects.ComponentChanged)]
    assert changes == [("llm", True), ("llm", False)]


def test_who_did_not_ask_is_not_told_and_who_asks_late_is_told_what_is_down() -> None:
    made = world(include=False)
    made.tell(inputs.ComponentSeen("redis", is_down=True))
    made.tell(inputs.ComponentSeen("redis", is_down=True))
    made.fail(asked(made))
    ended(made)
    assert told(made) == []
    assert len(made.started(effects.ComponentChanged)) == 2
    made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    assert told(made) == [("degraded", "redis", "no_new_sessions"), ("degraded", "llm", "apology")]
    made.send("session.update", session={"type": "realtime", "instructions": "x"})
    assert len(told(made)) == 2
    made.tell(inputs.ComponentSeen("redis", is_down=False))
    assert told(made)[-1] == ("recovered", "redis", "no_new_sessions")


def test_a_voice_that_fails_is_told_and_the_words_go_on() -> None:
    made = world()
    asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert told(made) == [("degraded", "tts", "text_only")]


def test_ears_that_fail_are_told_and_the_item_stays() -> None:
    made = world()
    made.speak()
    made.fail(made.started(effects.StartTranscription)[-1].job_id)
    assert told(made) == [("degraded", "stt", "text_input_only")]
    assert len(made.client.order) == 1
    made.speak()
    made.finish()
    assert told(made)[-1] == ("recovered", "stt", "text_input_only")


def test_one_sound_says_that_the_voice_works_and_one_word_that_the_model_does() -> None:
    made = world()
    job = asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    ended(made)
    made.fail(asked(made))
    made.send("response.cancel")
    made.jobs.clear()
    assert [kind for kind, _, _ in told(made)] == ["degraded", "degraded"]
    job, speaker = asked(made), made.started(effects.StartAnswer)[-1].speak_job_id
    made.work(job, steps=1)
    assert told(made)[2:] == [("recovered", "llm", "apology")]
    made.made_audio(speaker, 100 * MS, "It")
    assert told(made)[3:] == [("recovered", "tts", "text_only")]


def test_a_function_call_says_nothing_of_the_voice() -> None:
    made = world()
    asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    ended(made)
    asked(made, tools=[{"type": "function", "name": "look"}], tool_choice="required")
    made.finish()
    assert made.last("response.done")["response"]["output"][0]["type"] == "function_call"
    assert told(made) == [("degraded", "tts", "text_only")]


# -- jobs of which nothing is heard ------------------------------------------------------------------------------------
def test_a_model_of_which_nothing_is_heard_is_given_up() -> None:
    made = world()
    job = asked(made)
    made.advance(9.9)
    assert made.started(effects.StartSpeech) == []
    made.advance(0.2)
    assert effects.CancelJob(job) in made.effects
    made.jobs.pop(job)
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")


def test_a_voice_of_which_nothing_is_heard_is_given_up_and_the_words_stay() -> None:
    made = world()
    made.work(asked(made))
    made.jobs.clear()
    made.advance(10.1)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert told(made) == [("degraded", "tts", "text_only")]


def test_a_transcript_that_does_not_come_is_given_up() -> None:
    made = world()
    made.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}})
    made.speak()
    made.jobs.clear()
    made.advance(10.1)
    failure = made.last("conversation.item.input_audio_transcription.failed")["error"]
    assert (failure["type"], failure["code"]) == ("timeout_error", "no_result")
    assert told(made) == [("degraded", "stt", "text_input_only")]
    asked(made)
    assert ended(made)[0] == "completed"


def test_the_transcript_of_a_long_turn_may_take_longer() -> None:
    made = world()
    made.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}})
    made.speak(ms=60_000)
    made.jobs.clear()
    made.advance(39)
    assert "conversation.item.input_audio_transcription.failed" not in made.types()
    made.advance(3)
    assert made.last("conversation.item.input_audio_transcription.failed")["error"]["code"] == "no_result"


def test_a_slow_answer_has_time_again_with_every_word() -> None:
    made = world()
    job = asked(made)
    for _ in range(7):
        made.advance(8)
        made.work(job, steps=1)
    made.advance(8)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert told(made) == []


# -- another voice -----------------------------------------------------------------------------------------------------
def spoken(made: World, *, by_another: bool) -> None:
    """An answer is written and spoken."""
    made.work(asked(made))
    made.jobs.clear()
    made.tell(inputs.SpeechMade(made.started(effects.StartAnswer)[-1].speak_job_id, by_another=by_another))


def test_who_wants_to_know_is_told_of_another_voice_once_and_of_the_usual_one_again() -> None:
    made = world()
    for by_another in (False, True, True, False, False):
        spoken(made, by_another=by_another)
    assert told(made) == [("degraded", "tts", "other_voice"), ("recovered", "tts", "other_voice")]
    assert "error" not in made.types()


def test_who_asks_later_is_told_of_the_voice_that_speaks_now() -> None:
    made = world(include=False)
    spoken(made, by_another=True)
    assert told(made) == []
    made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    assert told(made) == [("degraded", "tts", "other_voice")]


def test_what_was_made_and_waits_for_its_listener_is_not_given_up() -> None:
    made = world(rules=session_rules(apology=SORRY, job_timeout_s=0.5, pace=True))
    job = asked(made)
    speaker = made.started(effects.StartAnswer)[-1].speak_job_id
    made.work(job)
    made.jobs.clear()
    for number in range(20):
        made.made_audio(speaker, 1000 * MS, "" if number else "It is noon.")
    made.tell(inputs.SpeechMade(speaker))
    made.advance(10)
    assert "response.done" not in made.types()
    made.advance(20)
    assert ended(made)[0] == "completed"
    assert told(made) == []


def test_who_takes_the_conversation_up_gives_its_jobs_time_again() -> None:
    made = world()
    job = asked(made)
    made.now += 60
    made.resume()
    assert made.started(effects.StartSpeech) == []
    made.advance(9)
    made.work(job)
    assert ended(made)[1] == "It is noon. The sun is high. "


def test_a_conversation_that_is_taken_up_in_an_apology_goes_on_with_it() -> None:
    made = world()
    made.fail(asked(made))
    made.resume()
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")


@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_begun_in_the_first_silence_is_given_up_as_well(is_known: bool) -> None:
    made = world(rules=session_rules(apology=SORRY, job_timeout_s=10.0, speculate_ms=180))
    made.append(1000, 0.9)
    made.append(300, 0.01)
    if is_known:
        made.work(made.started(effects.StartTranscription)[-1].job_id)
        assert made.started(effects.StartAnswer)
    made.append(600, 0.01)
    assert made.machine.state.speculation is None
    made.jobs.clear()
    made.advance(30)
    assert made.machine.state.active == ""
    assert "pending" not in [record.hearing for record in made.machine.state.records]
    assert told(made)[0][1] == ("llm" if is_known else "stt")
    assert not [job for job, owner in made.machine.state.jobs.items() if owner.due and owner.due < made.now]
