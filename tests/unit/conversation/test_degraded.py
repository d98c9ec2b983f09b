"""A conversation without a model, a voice, or ears; and jobs of which nothing is heard."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.state import Rules
from tests.simulation import MS, World

SORRY = "Sorry. I cannot answer now. I understood: {heard}"
RULES = Rules(apology=SORRY, patience_s=10.0)


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
    ],
)
def test_where_nothing_was_understood_that_sentence_is_left_out(template: str, said: str) -> None:
    made = world(rules=Rules(apology=template))
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


@pytest.mark.parametrize(("kind", "code"), [("invalid_request_error", "invalid_value"), ("api_error", "worker_lost")])
def test_what_lies_with_the_request_or_one_worker_is_no_outage(kind: str, code: str) -> None:
    made = world()
    made.tell(inputs.Failed(asked(made), kind, code, "no"))
    assert ended(made) == ("failed", "")
    assert told(made) == []


def test_without_a_text_for_it_the_answer_fails() -> None:
    made = world(rules=Rules())
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
    changes = [(change.leg, change.is_down) for change in made.started(effects.LegChanged)]
    assert changes == [("llm", True), ("llm", False)]


def test_who_did_not_ask_is_not_told_and_who_asks_late_is_told_what_is_down() -> None:
    made = world(include=False)
    made.tell(inputs.LegSeen("redis", is_down=True))
    made.tell(inputs.LegSeen("redis", is_down=True))
    made.fail(asked(made))
    ended(made)
    assert told(made) == []
    assert len(made.started(effects.LegChanged)) == 2
    made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    assert told(made) == [("degraded", "redis", "no_new_sessions"), ("degraded", "llm", "apology")]
    made.send("session.update", session={"type": "realtime", "instructions": "x"})
    assert len(told(made)) == 2
    made.tell(inputs.LegSeen("redis", is_down=False))
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


def test_a_slow_answer_has_time_again_with_every_word() -> None:
    made = world()
    job = asked(made)
    for _ in range(7):
        made.advance(8)
        made.work(job, steps=1)
    made.advance(8)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert told(made) == []


def test_what_was_made_and_waits_for_its_listener_is_not_given_up() -> None:
    made = world(rules=Rules(apology=SORRY, patience_s=0.5, pace=True))
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
