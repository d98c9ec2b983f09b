"""Fragments whose connection was lost."""

from __future__ import annotations

from antiphon.dubbing.effects import Deliver
from tests.unit.dubbing.stages import (
    Stage,
    cancelled,
)


def test_the_time_of_a_fragment_that_was_taken_over_began_when_it_first_came() -> None:
    stage = Stage()
    stage.offer(0)
    stage.now += 2
    stage.lose()
    stage.begin()
    stage.offer(0)
    stage.now += 1
    (result,) = [one.result for one in stage.done("f0") if isinstance(one, Deliver)]
    assert result.processing_time_ms == 3000


def test_who_has_sent_all_and_leaves_wants_nothing_any_more() -> None:
    stage = Stage()
    stage.offer(0)
    stage.offer(1)
    stage.end()
    assert cancelled(stage.lose()) == [stage.jobs["f0"], stage.jobs["f1"]]


def test_fragments_of_lost_connections_time_out() -> None:
    stage = Stage(timeout_ms=1000)
    stage.offer(0)
    stage.lose()
    assert cancelled(stage.wait(2)) == [stage.jobs["f0"]]


def test_who_leaves_again_and_again_does_not_pile_up_work() -> None:
    stage = Stage()
    for visit in range(3):
        for number in range(10):
            stage.offer(number, f"v{visit}-{number}")
        stage.lose()
        assert len(stage.stream.state.orphans) == 10
        stage.begin()
