"""Timeouts of the jobs of a translation session."""

from __future__ import annotations

import typing

import pytest

from antiphon.translation_session import job_timeouts
from antiphon.translation_session.state import Component, State, Utterance
from antiphon.wire.translation import TranslationAudio, TranslationSession

TIMEOUT_S = 10.0


def state_with(*utterances: Utterance) -> State:
    session = TranslationSession(id="sess_1", model="m", expires_at=1, audio=TranslationAudio())
    return State(seed="seed", session=session, job_timeout_s=TIMEOUT_S, utterances=list(utterances))


def utterance(due: float = 0.0) -> Utterance:
    return Utterance(start=0, target="fr", job_id="job" if due else "", due=due)


def translating(due: float) -> Utterance:
    return Utterance(start=0, target="fr", job_id="job", stage="translate", due=due)


@pytest.mark.parametrize(("dues", "close_due", "next_due"), [
    ((), 0.0, None),
    ((0.0,), 0.0, None),
    ((0.0, 109.0, 103.0), 0.0, 103.0),
    ((103.0,), 101.0, 101.0),
    ((), 105.0, 105.0),
])  # fmt: skip
def test_the_next_tick_is_due_at_the_first_timeout_or_at_the_end(
    dues: tuple[float, ...], close_due: float, next_due: float | None
) -> None:
    state = state_with(*map(utterance, dues))
    state.close_due = close_due
    assert job_timeouts.due_at(state) == next_due


def test_a_closed_session_does_not_wait_for_its_end() -> None:
    state = state_with()
    state.close_due, state.closed = 105.0, True
    assert job_timeouts.due_at(state) is None


def test_a_job_that_is_submitted_is_due_after_the_timeout_and_one_that_has_ended_never() -> None:
    one = utterance()
    state = state_with(one)
    job_timeouts.start(state, one, "job_1", 100.0)
    assert (one.job_id, one.due) == ("job_1", 110.0)
    job_timeouts.end(one)
    assert (one.job_id, one.due) == ("", 0.0)
    assert job_timeouts.overdue(state, 1000.0) == []


def test_a_result_restarts_the_timeouts_of_its_stage_and_of_no_other() -> None:
    state = state_with(utterance(101.0), utterance(102.0), utterance(), translating(103.0))
    job_timeouts.progress(state, "transcribe", 100.0)
    assert [one.due for one in state.utterances] == [110.0, 110.0, 0.0, 103.0]


@pytest.mark.parametrize(("due", "then"), [(109.5, 109.5), (109.0, 110.0)])
def test_a_due_time_moves_by_a_second_at_least(due: float, then: float) -> None:
    state = state_with(utterance(due))
    job_timeouts.progress(state, "transcribe", 100.0)
    assert state.utterances[0].due == then


def test_overdue_are_the_jobs_whose_time_has_come() -> None:
    late, due, early = utterance(99.0), utterance(100.0), utterance(100.1)
    assert job_timeouts.overdue(state_with(late, due, early, utterance()), 100.0) == [late, due]


def test_every_stage_with_a_job_has_a_component_of_its_own() -> None:
    stages = set(typing.get_args(typing.get_type_hints(Utterance)["stage"])) - {"done"}
    assert set(job_timeouts.COMPONENTS) == stages
    assert set(job_timeouts.COMPONENTS.values()) == set(typing.get_args(Component))
