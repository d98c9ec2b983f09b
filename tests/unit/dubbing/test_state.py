"""The state of a stream: what it says before `stream:init`, after it, and as a value."""

from __future__ import annotations

import msgspec

from antiphon.dubbing.state import Flight, State
from antiphon.dubbing.stream import parse_init
from tests.unit.dubbing.stages import Stage, init


def test_before_it_has_begun_a_stream_has_no_name_and_no_limits() -> None:
    state = State(seed="x")
    assert (state.stream_id, state.timeout_s, state.max_inflight) == ("", 0.0, 0)
    assert (state.phase, state.expected, state.base_open) == ("initializing", 0, False)


def test_a_stream_has_the_name_and_the_limits_that_its_worker_gives() -> None:
    state = State(seed="x", init=parse_init(init(stream_id="match", timeout_ms=2_500, max_inflight=7)))
    assert (state.stream_id, state.timeout_s, state.max_inflight) == ("match", 2.5, 7)


def test_two_streams_share_no_containers() -> None:
    one, other = State(seed="a"), State(seed="b")
    one.flights["f"] = Flight("f", 0, "job", 0.0, 1.0, 6_000)
    one.accepted_at.append(1.0)
    one.tally.by_code["TIMEOUT"] = 1
    assert (other.flights, other.accepted_at, other.tally.by_code) == ({}, [], {})


def test_the_state_of_a_busy_stream_survives_encoding() -> None:
    stage = Stage()
    for number in range(3):
        stage.offer(number)
    stage.done("f1")
    stage.lose()
    stage.begin()
    stage.offer(3)
    state = stage.stream.state
    assert (len(state.flights), len(state.orphans), len(state.memory)) == (1, 2, 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State) == state
