"""Jobs that give no result in time."""

from __future__ import annotations

import math

import pytest

from antiphon.conversation import effects, inputs, job_timeouts
from antiphon.conversation.state import Owner
from antiphon.conversation.step import Step
from tests.options import session_rules
from tests.simulation import MS
from tests.unit.conversation.stage import (
    DEGRADED_RULES,
    SORRY,
    answering,
    asked,
    degradable,
    ended,
    fresh_step,
    reported,
)


def test_an_empty_text_restarts_the_timeout_and_sends_no_event() -> None:
    world = degradable()
    job = answering(world).job_id
    world.jobs.clear()
    before = len(world.events)
    world.advance(9)
    world.tell(inputs.TextMade(job, ""))
    world.advance(9)
    assert world.types()[before:] == []
    world.tell(inputs.CallMade(job, 0, "call_1", "get_time", "{}"))
    world.tell(inputs.AnswerMade(job, "tool_calls", 1, 1))
    world.tell(inputs.SpeechMade(world.started(effects.StartAnswer)[-1].speak_job_id))
    assert [item["type"] for item in world.last("response.done")["response"]["output"]] == ["function_call"]


def test_an_llm_without_a_result_times_out() -> None:
    made = degradable()
    job = asked(made)
    made.advance(9.9)
    assert made.started(effects.StartSpeech) == []
    made.advance(0.2)
    assert effects.CancelJob(job) in made.effects
    made.jobs.pop(job)
    assert ended(made) == ("completed", "Sorry. I cannot answer now. I understood: what time is it")


def test_a_tts_without_a_result_times_out_and_the_text_stays() -> None:
    made = degradable()
    made.work(asked(made))
    made.jobs.clear()
    made.advance(10.1)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert reported(made) == [("degraded", "tts", "text_only")]


def test_an_stt_without_a_result_times_out() -> None:
    made = degradable()
    made.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}})
    made.speak()
    made.jobs.clear()
    made.advance(10.1)
    failure = made.last("conversation.item.input_audio_transcription.failed")["error"]
    assert (failure["type"], failure["code"]) == ("timeout_error", "no_result")
    assert reported(made) == [("degraded", "stt", "text_input_only")]
    asked(made)
    assert ended(made)[0] == "completed"


def test_the_transcript_of_a_long_turn_may_take_longer() -> None:
    made = degradable()
    made.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}})
    made.speak(ms=60_000)
    made.jobs.clear()
    made.advance(39)
    assert "conversation.item.input_audio_transcription.failed" not in made.types()
    made.advance(3)
    assert made.last("conversation.item.input_audio_transcription.failed")["error"]["code"] == "no_result"


def test_every_word_restarts_the_timeout_of_a_slow_answer() -> None:
    made = degradable()
    job = asked(made)
    for _ in range(7):
        made.advance(8)
        made.work(job, steps=1)
    made.advance(8)
    assert ended(made) == ("completed", "It is noon. The sun is high. ")
    assert reported(made) == []


def test_speech_that_is_held_by_pacing_does_not_time_out() -> None:
    made = degradable(rules=session_rules(apology=SORRY, job_timeout_s=0.5, pace=True))
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
    assert reported(made) == []


def test_a_resumed_session_restarts_the_timeouts_of_its_jobs() -> None:
    made = degradable()
    job = asked(made)
    made.now += 60
    made.resume()
    assert made.started(effects.StartSpeech) == []
    made.advance(9)
    made.work(job)
    assert ended(made)[1] == "It is noon. The sun is high. "


@pytest.mark.parametrize("is_known", [True, False])
def test_jobs_begun_by_a_speculation_time_out_as_well(is_known: bool) -> None:
    made = degradable(rules=session_rules(apology=SORRY, job_timeout_s=10.0, speculate_ms=180))
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
    assert reported(made)[0][1] == ("llm" if is_known else "stt")
    assert not [job for job, owner in made.machine.state.jobs.items() if owner.due and owner.due < made.now]


def running(**jobs: Owner) -> Step:
    """A step at 100 s with these jobs, and a timeout of 10 s."""
    step = fresh_step(DEGRADED_RULES, now=100.0)
    step.state.jobs.update(jobs)
    return step


@pytest.mark.parametrize(("dues", "next_due"), [((), math.inf), ((0.0,), math.inf), ((0.0, 109.0, 103.0), 103.0)])
def test_the_next_job_that_times_out_is_the_one_due_first(dues: tuple[float, ...], next_due: float) -> None:
    step = running(**{f"job_{number}": Owner("item", "a", due) for number, due in enumerate(dues)})
    assert job_timeouts.due_at(step) == next_due


def test_a_result_restarts_the_timeouts_of_its_owner_and_of_no_other() -> None:
    step = running(
        write=Owner("response", "a", 101.0),
        speak=Owner("response", "a", 102.0),
        done=Owner("response", "a", 0.0),
        other=Owner("response", "b", 103.0),
        same_name=Owner("item", "a", 104.0),
    )
    job_timeouts.progress(step, "write")
    dues = {name: owner.due for name, owner in step.state.jobs.items()}
    assert dues == {"write": 110.0, "speak": 110.0, "done": 0.0, "other": 103.0, "same_name": 104.0}


@pytest.mark.parametrize(("due", "then"), [(109.5, 109.5), (109.0, 110.0), (0.0, 0.0)])
def test_a_due_time_moves_by_a_second_at_least(due: float, then: float) -> None:
    step = running(job=Owner("item", "a", due))
    job_timeouts.progress(step, "job")
    job_timeouts.progress(step, "unknown")
    assert step.state.jobs == {"job": Owner("item", "a", then)}


def test_a_job_that_is_done_does_not_time_out() -> None:
    step = running(job=Owner("response", "a", 101.0))
    job_timeouts.done(step, "job")
    job_timeouts.done(step, "unknown")
    step.now = 1000.0
    assert job_timeouts.time_out(step) == []
    assert step.state.jobs == {"job": Owner("response", "a", 0.0)}


def test_overdue_jobs_are_cancelled_and_reported_as_failures_that_may_pass() -> None:
    step = running(late=Owner("item", "a", 99.0), due=Owner("item", "b", 100.0), early=Owner("item", "c", 100.1))
    failures = job_timeouts.time_out(step)
    assert step.effects == [effects.CancelJob("late"), effects.CancelJob("due")]
    assert [(one.job_id, one.error_type, one.code, one.transient) for one in failures] == [
        ("late", "timeout_error", "no_result", True),
        ("due", "timeout_error", "no_result", True),
    ]
    assert "10 s" in failures[0].message


def test_after_a_resume_all_running_jobs_have_their_whole_timeout() -> None:
    step = running(late=Owner("item", "a", 5.0), done=Owner("response", "b", 0.0))
    job_timeouts.restart(step)
    assert [owner.due for owner in step.state.jobs.values()] == [110.0, 0.0]
