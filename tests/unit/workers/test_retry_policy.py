from __future__ import annotations

import pytest

from antiphon.entities.chat import ChatRequest
from antiphon.errors import LeaseLost, ProviderBusy, ProviderRejected, ProviderTimeout, RateLimited, Superseded
from antiphon.resilience.backoff import Backoff
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import Job, Respond, Speak
from antiphon.workers.retry_policy import (
    Acknowledge,
    Bury,
    Decision,
    JobCancelled,
    LeaveAlone,
    Retry,
    RetryRule,
    decide,
)

RULE = RetryRule(attempts=3, backoff=Backoff(base_s=1.0, cap_s=10.0))


def decision(
    error: BaseException | None, *, attempt: int = 1, touched: bool = False, deadline_s: float = 0.0
) -> Decision:
    job = Job("a", "speak", Speak("hi"), "out", attempt=attempt, deadline_s=deadline_s)
    return decide(job, error, RULE, touched=touched, wall=100.0, uniform=lambda: 0.5)


def test_no_error_ends_the_job() -> None:
    assert decision(None) == Acknowledge("done")


def test_a_cancelled_job_ends_without_a_failure() -> None:
    assert decision(JobCancelled("cancelled"), touched=True) == Acknowledge("cancelled")


def test_a_superseded_attempt_leaves_the_job_to_the_later_one() -> None:
    assert decision(Superseded("attempt 2"), touched=True) == LeaveAlone()


def test_a_lost_lease_is_left_to_its_new_holder() -> None:
    assert decision(LeaseLost("gone")) == LeaveAlone()


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 0.5), (2, 1.0)])
def test_a_transient_failure_is_tried_again_with_growing_delay(attempt: int, delay_s: float) -> None:
    assert decision(ProviderBusy("no slot"), attempt=attempt) == Retry("ProviderBusy: provider_busy", delay_s)


def test_the_last_attempt_is_final() -> None:
    ended = decision(ProviderBusy("no slot"), attempt=3)
    assert isinstance(ended, Bury)
    assert ended.entry == JobFailed(
        "a", "overloaded_error", "provider_busy", "no slot", transient=True, kind="ProviderBusy"
    )


def test_a_failure_after_the_first_result_is_final() -> None:
    ended = decision(ProviderTimeout("slow"), touched=True)
    assert isinstance(ended, Bury)
    assert ended.entry == JobFailed(
        "a", "timeout_error", "provider_timeout", "slow", transient=True, kind="ProviderTimeout"
    )


def test_a_permanent_failure_is_final_at_once() -> None:
    ended = decision(ProviderRejected("bad key"))
    assert isinstance(ended, Bury)
    assert ended.entry == JobFailed(
        "a", "api_error", "provider_rejected", "bad key", transient=False, kind="ProviderRejected"
    )


def test_an_unexpected_error_tells_its_details_to_the_log_only() -> None:
    ended = decision(ZeroDivisionError("secret detail"))
    assert isinstance(ended, Bury)
    assert ended.reason == "ZeroDivisionError: internal_error"
    assert ended.entry == JobFailed("a", "api_error", "internal_error", "the worker failed unexpectedly")


def test_who_is_told_to_wait_waits_that_long() -> None:
    assert decision(RateLimited("later", retry_after_s=7.0)) == Retry("RateLimited: rate_limit_exceeded", 7.0)


def test_no_retry_is_planned_beyond_the_deadline() -> None:
    assert isinstance(decision(ProviderBusy("no slot"), deadline_s=100.4), Bury)
    assert isinstance(decision(ProviderBusy("no slot"), deadline_s=100.6), Retry)


def test_an_answer_is_tried_again_after_a_result_for_the_next_attempt_goes_on_with_it() -> None:
    job = Job("a", "respond", Respond(ChatRequest(())), "out")
    retried = decide(job, ProviderTimeout("slow"), RULE, touched=True, wall=100.0, uniform=lambda: 0.5)
    assert retried == Retry("ProviderTimeout: provider_timeout", 0.5)
    ended = decide(job, ProviderRejected("bad key"), RULE, touched=True, wall=100.0, uniform=lambda: 0.5)
    assert isinstance(ended, Bury)
