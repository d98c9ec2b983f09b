"""The results that are remembered."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.dubbing.effects import Deliver
from tests.options import stream_rules
from tests.unit.dubbing.stages import (
    Stage,
    delivered,
    error,
    forgotten,
    sent,
)


@pytest.mark.parametrize("status", ["success", "partial", "failed"])
def test_a_fragment_that_is_done_gets_its_result_again(status: Any) -> None:
    stage = Stage()
    stage.offer(0)
    (first,) = [one for one in stage.done("f0", status) if isinstance(one, Deliver)]
    (again,) = stage.offer(0)
    assert isinstance(again, Deliver)
    assert again.result == first.result
    assert (again.audio, again.again) == (first.audio, True)
    stage.end()
    (complete,) = sent(stage.effects, "stream:complete")
    assert complete.total_fragments == 1


def test_the_last_results_are_kept_and_the_audio_of_others_let_go() -> None:
    stage = Stage(stream_rules(keep_results=2))
    for number in range(3):
        stage.offer(number)
        told = stage.done(f"f{number}")
    assert forgotten(told) == [stage.jobs["f0"]]
    assert error(stage.offer(0)).code == "INVALID_SEQUENCE"
    assert delivered(stage.offer(1)) == ["f1"]


def test_so_much_audio_is_kept() -> None:
    stage = Stage(stream_rules(keep_bytes=100))
    for number in range(3):
        stage.offer(number)
        told = stage.done(f"f{number}", audio_bytes=60)
    assert forgotten(told) == [stage.jobs["f1"]]


def test_results_are_kept_for_so_long() -> None:
    stage = Stage(stream_rules(keep_s=10))
    stage.offer(0)
    stage.done("f0")
    assert forgotten(stage.wait(11)) == [stage.jobs["f0"]]


def test_a_result_from_memory_keeps_its_audio_until_it_is_delivered() -> None:
    stage = Stage(stream_rules(keep_bytes=25))
    for number in (0, 2, 3):
        stage.offer(number)
        stage.done(f"f{number}")
    stage.lose()
    stage.begin()
    for number in (2, 3):
        stage.offer(number)
    stage.offer(1)
    told = stage.done("f1", audio_bytes=20)
    gone: set[str] = set()
    for effect in stage.effects:
        gone |= set(forgotten([effect]))
        if isinstance(effect, Deliver):
            assert effect.audio not in gone
    assert delivered(told)[-2:] == ["f2", "f3"] or delivered(stage.wait(9))[-2:] == ["f2", "f3"]
