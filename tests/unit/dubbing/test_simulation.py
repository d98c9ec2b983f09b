"""Echo mode: fragments fail as the worker wishes."""

from __future__ import annotations

import pytest

from antiphon.dubbing.effects import Deliver
from antiphon.dubbing.inputs import Simulated
from antiphon.wire.dubbing_client import ErrorSimulation, SimulationRule
from tests.unit.dubbing.stages import (
    Stage,
    error,
    sent,
    started,
)


@pytest.mark.parametrize(
    ("rule", "fails"),
    [
        (SimulationRule(trigger="sequence_number", value=1, error_code="TIMEOUT"), ["f1"]),
        (SimulationRule(trigger="fragment_id", value="f2", error_code="MODEL_ERROR", stage="tts"), ["f2"]),
        (SimulationRule(trigger="nth_fragment", value=2, error_code="X", retryable=False), ["f1", "f3"]),
    ],
    ids=lambda one: getattr(one, "trigger", ""),
)
def test_fragments_fail_as_the_worker_wishes(rule: SimulationRule, fails: list[str]) -> None:
    stage = Stage()
    (ack,) = sent(stage.tell(Simulated(ErrorSimulation(enabled=True, rules=(rule,)))), "config:error_simulation:ack")
    assert (ack.status, ack.rules_count) == ("accepted", 1)
    for number in range(4):
        stage.offer(number)
        if f"f{number}" in stage.jobs:
            stage.done(f"f{number}")
    results = [one.result for one in stage.effects if isinstance(one, Deliver)]
    assert [one.fragment_id for one in results] == ["f0", "f1", "f2", "f3"]
    assert [one.fragment_id for one in results if one.status == "failed"] == fails
    failed = next(one for one in results if one.status == "failed")
    assert (failed.error.code, failed.error.stage) == (rule.error_code, rule.stage)
    assert failed.error.retryable is rule.retryable


def test_rules_are_switched_off() -> None:
    stage = Stage()
    rule = SimulationRule(trigger="sequence_number", value=0, error_code="TIMEOUT")
    stage.tell(Simulated(ErrorSimulation(enabled=False, rules=(rule,))))
    assert started(stage.offer(0)) == ["f0"]


def test_rules_need_a_stream() -> None:
    assert error(Stage(begun=False).tell(Simulated(ErrorSimulation(enabled=True)))).code == "STREAM_NOT_FOUND"
