"""A step: whose stream is meant, and what is answered where it is not this one."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.dubbing.state import State
from antiphon.dubbing.step import Step
from antiphon.dubbing.stream import parse_init
from tests.options import stream_rules
from tests.unit.dubbing.stages import error, init


def step(**fields: Any) -> Step:
    return Step(State(seed="x", init=parse_init(init()), **fields), stream_rules(), 0.0)


@pytest.mark.parametrize(("stream_id", "is_mine"), [("s", True), (None, True), ("other", False)])
def test_no_id_means_the_stream_of_the_connection(stream_id: str | None, is_mine: bool) -> None:
    assert step().is_mine(stream_id) is is_mine


def test_before_a_stream_has_begun_none_is_meant() -> None:
    assert not Step(State(seed="x"), stream_rules(), 0.0).is_mine(None)


def test_every_refusal_has_an_id_of_its_own() -> None:
    one = step()
    one.refuse("STREAM_PAUSED", "m")
    one.refuse("STREAM_PAUSED", "m")
    assert [effect.payload.error_id for effect in one.effects] == ["err_x1", "err_x2"]


def test_a_stream_that_takes_nothing_more_says_its_phase() -> None:
    over = step(phase="completed")
    over.not_found("s", "f1")
    told = error(over.effects)
    assert (told.code, told.fragment_id, told.details) == ("STREAM_NOT_FOUND", "f1", {"state": "completed"})


def test_another_stream_is_named_in_the_refusal() -> None:
    one = step()
    one.not_found("other")
    assert (error(one.effects).stream_id, error(one.effects).details) == ("other", {})
