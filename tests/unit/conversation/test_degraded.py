"""Conversations without an LLM, TTS or STT."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    SORRY,
    asked,
    degradable,
    ended,
    reported,
)


def test_the_apology_is_spoken_costs_no_tokens_and_repeats_the_question() -> None:
    made = degradable()
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
    assert reported(made) == [("degraded", "llm", "apology")]


def test_speech_that_was_understood_is_repeated() -> None:
    made = degradable()
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
def test_the_sentence_about_the_transcript_is_left_out_without_one(template: str, said: str) -> None:
    made = degradable(rules=session_rules(apology=template))
    made.send("response.create")
    made.fail(made.started(effects.StartAnswer)[-1].job_id)
    assert ended(made) == ("completed", said)


def test_a_long_question_is_repeated_in_part() -> None:
    made = degradable()
    made.fail(asked(made, "word " * 100))
    _, words = ended(made)
    assert words.endswith("word …")
    assert len(words) < 260


def test_a_text_response_has_the_apology_in_writing() -> None:
    made = degradable()
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
def test_a_response_that_only_an_llm_can_give_has_no_apology(wish: dict[str, Any]) -> None:
    made = degradable()
    made.fail(asked(made, **wish))
    assert ended(made) == ("failed", "")
    assert reported(made) == [("degraded", "llm", "apology")]


def test_an_answer_that_has_begun_is_not_followed_by_an_apology() -> None:
    made = degradable()
    job = asked(made)
    made.work(job, steps=1)
    made.fail(job)
    status, words = ended(made)
    assert (status, words.strip()) == ("failed", "It")
    assert reported(made) == []


@pytest.mark.parametrize(
    ("code", "transient"), [("invalid_value", False), ("internal_error", False), ("worker_stopped", True)]
)
def test_a_failure_of_the_request_the_server_or_one_worker_is_no_outage(code: str, transient: bool) -> None:
    made = degradable()
    made.tell(inputs.Failed(asked(made), "api_error", code, "no", transient))
    assert ended(made) == ("failed", "")
    assert reported(made) == []


def test_an_answer_that_redis_could_not_carry_is_an_apology_and_no_other_component_is_blamed() -> None:
    made = degradable()
    job, speaker = asked(made), made.started(effects.StartAnswer)[-1].speak_job_id
    made.jobs.clear()
    for name in (speaker, job):
        made.tell(inputs.Failed(name, "api_error", "redis_unavailable", "Redis cannot be used"))
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")
    assert reported(made) == []


def test_the_apology_repeats_the_input_of_its_response() -> None:
    made = degradable()
    made.say_text("something else")
    own = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "this"}]}
    made.send("response.create", response={"input": [own]})
    made.fail(made.started(effects.StartAnswer)[-1].job_id)
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: this")


def test_without_an_apology_the_response_fails() -> None:
    made = degradable(rules=session_rules())
    made.fail(asked(made))
    assert ended(made) == ("failed", "")


def test_a_cancelled_apology_is_over() -> None:
    made = degradable()
    made.fail(asked(made))
    made.send("response.cancel")
    assert made.last("response.done")["response"]["status"] == "cancelled"
    made.finish()
    assert made.machine.state.jobs == {}


def test_a_component_is_reported_once_when_it_fails_and_once_when_it_works() -> None:
    made = degradable()
    for _ in range(2):
        made.fail(asked(made))
        ended(made)
    for _ in range(2):
        asked(made)
        ended(made)
    assert reported(made) == [("degraded", "llm", "apology"), ("recovered", "llm", "apology")]
    changes = [(change.component, change.is_down) for change in made.started(effects.ComponentChanged)]
    assert changes == [("llm", True), ("llm", False)]


def test_a_client_that_asks_late_is_told_then_which_components_are_down() -> None:
    made = degradable(include=False)
    made.tell(inputs.ComponentSeen("redis", is_down=True))
    made.tell(inputs.ComponentSeen("redis", is_down=True))
    made.fail(asked(made))
    ended(made)
    assert reported(made) == []
    assert len(made.started(effects.ComponentChanged)) == 2
    made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    assert reported(made) == [("degraded", "redis", "no_new_sessions"), ("degraded", "llm", "apology")]
    made.send("session.update", session={"type": "realtime", "instructions": "x"})
    assert len(reported(made)) == 2
    made.tell(inputs.ComponentSeen("redis", is_down=False))
    assert reported(made)[-1] == ("recovered", "redis", "no_new_sessions")


def test_a_tts_that_fails_is_reported_and_the_text_continues() -> None:
    made = degradable()
    asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert reported(made) == [("degraded", "tts", "text_only")]


def test_an_stt_that_fails_is_reported_and_the_item_stays() -> None:
    made = degradable()
    made.speak()
    made.fail(made.started(effects.StartTranscription)[-1].job_id)
    assert reported(made) == [("degraded", "stt", "text_input_only")]
    assert len(made.client.order) == 1
    made.speak()
    made.finish()
    assert reported(made)[-1] == ("recovered", "stt", "text_input_only")


def test_one_piece_of_audio_shows_that_tts_works_and_one_word_that_the_llm_does() -> None:
    made = degradable()
    job = asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    ended(made)
    made.fail(asked(made))
    made.send("response.cancel")
    made.jobs.clear()
    assert [kind for kind, _, _ in reported(made)] == ["degraded", "degraded"]
    job, speaker = asked(made), made.started(effects.StartAnswer)[-1].speak_job_id
    made.work(job, steps=1)
    assert reported(made)[2:] == [("recovered", "llm", "apology")]
    made.made_audio(speaker, 100 * MS, "It")
    assert reported(made)[3:] == [("recovered", "tts", "text_only")]


def test_a_function_call_does_not_show_that_tts_works() -> None:
    made = degradable()
    asked(made)
    made.fail(made.started(effects.StartAnswer)[-1].speak_job_id)
    ended(made)
    asked(made, tools=[{"type": "function", "name": "look"}], tool_choice="required")
    made.finish()
    assert made.last("response.done")["response"]["output"][0]["type"] == "function_call"
    assert reported(made) == [("degraded", "tts", "text_only")]


def spoken(made: World, *, by_another: bool) -> None:
    """An answer is written and spoken."""
    made.work(asked(made))
    made.jobs.clear()
    made.tell(inputs.SpeechMade(made.started(effects.StartAnswer)[-1].speak_job_id, by_another=by_another))


def test_a_fallback_voice_is_reported_once_and_the_usual_one_again() -> None:
    made = degradable()
    for by_another in (False, True, True, False, False):
        spoken(made, by_another=by_another)
    assert reported(made) == [("degraded", "tts", "other_voice"), ("recovered", "tts", "other_voice")]
    assert "error" not in made.types()


def test_a_client_that_asks_late_is_told_of_the_fallback_voice() -> None:
    made = degradable(include=False)
    spoken(made, by_another=True)
    assert reported(made) == []
    made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    assert reported(made) == [("degraded", "tts", "other_voice")]
