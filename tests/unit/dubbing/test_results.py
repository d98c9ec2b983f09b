"""Results of jobs, on time and late, and timeouts without one."""

from __future__ import annotations

from antiphon.dubbing.effects import Deliver
from antiphon.dubbing.inputs import Done
from tests.unit.dubbing.stages import (
    Stage,
    cancelled,
    forgotten,
)


def test_a_fragment_that_takes_too_long_times_out() -> None:
    stage = Stage(timeout_ms=1000)
    stage.offer(0)
    assert not stage.wait(1.2), "who works on it speaks first"
    told = stage.wait(0.1)
    assert cancelled(told) == [stage.jobs["f0"]]
    (result,) = [one.result for one in told if isinstance(one, Deliver)]
    assert (result.status, result.error.code, result.error.retryable) == ("failed", "TIMEOUT", True)
    assert forgotten(stage.done("f0")) == [stage.jobs["f0"]], "what comes too late is dropped"


def test_a_result_of_an_unknown_job_is_dropped() -> None:
    assert forgotten(Stage().tell(Done("nobody", "success"))) == ["nobody"]
