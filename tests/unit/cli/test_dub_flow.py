"""Which fragment is sent when, on time that is passed in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from antiphon.cli.dub_flow import RETRY_S, Flow, Fragment
from antiphon.entities.dubbing import ProcessingError
from antiphon.wire.dubbing_server import Action, Backpressure, DubbingError, FragmentProcessed

RATE_HZ = 44_100
SILENCE = np.zeros((4_410, 1), np.int16)


def fragment(index: int) -> Fragment:
    return Fragment(index, f"f{index}", index * len(SILENCE), SILENCE, RATE_HZ)


def flow_of(count: int, max_inflight: int = 3) -> Flow:
    flow = Flow(max_inflight)
    for index in range(count):
        flow.offer(fragment(index))
    return flow


def sent(flow: Flow, now: float = 0.0) -> list[tuple[int, int]]:
    """Return number and index of everything that is sent now."""
    pairs: list[tuple[int, int]] = []
    while (one := flow.next_to_send(now)) is not None:
        pairs.append((one[0], one[1].index))
    return pairs


def result(index: int, *, fails: bool = False, retryable: bool = True) -> FragmentProcessed:
    error: dict[str, Any] = {}
    if fails:
        error = {"error": ProcessingError(stage="asr", code="TIMEOUT", message="late", retryable=retryable)}
    status: Any = "failed" if fails else "success"
    return FragmentProcessed(
        fragment_id=f"f{index}", stream_id="s", sequence_number=index, status=status, processing_time_ms=5, **error
    )


def refusal(index: int, code: str, *, retryable: bool) -> DubbingError:
    return DubbingError(
        code=code, message="no", retryable=retryable, severity="error", error_id="e", fragment_id=f"f{index}"
    )


def pressure(action: Action, delay_ms: int = 500) -> Backpressure:
    return Backpressure(
        stream_id="s",
        severity="medium",
        action=action,
        current_inflight=4,
        threshold_exceeded="medium",
        max_inflight=3,
        queue_depth=1,
        **({"recommended_delay_ms": delay_ms} if action != "none" else {}),
    )


def taken(flow: Flow) -> list[int]:
    return [outcome.fragment.index for outcome in flow.take()]


def test_lengths_in_milliseconds_add_up_to_the_recording() -> None:
    odd = np.zeros((44_123, 1), np.int16)
    fragments = [Fragment(index, "", index * 44_123, odd, RATE_HZ) for index in range(60)]
    assert all(one.start_ms + one.duration_ms == other.start_ms for one, other in pairwise(fragments))
    assert sum(one.duration_ms for one in fragments) == round(60 * 44_123 * 1000 / RATE_HZ)


def test_no_more_is_sent_than_the_window_holds() -> None:
    flow = flow_of(5, max_inflight=3)
    assert sent(flow) == [(0, 0), (1, 1), (2, 2)]
    assert flow.due is None
    assert not flow.wants_more
    flow.processed(result(1), 1.0)
    assert sent(flow, 1.0) == [(3, 3)]


def test_outcomes_come_in_the_order_of_the_recording_and_once() -> None:
    flow = flow_of(3)
    sent(flow)
    flow.processed(result(2), 1.0)
    assert taken(flow) == []
    flow.processed(result(0), 2.0)
    flow.processed(result(0), 2.5)  # again, as a server may send it
    assert taken(flow) == [0]
    flow.processed(result(1), 3.0)
    assert taken(flow) == [1, 2]
    assert flow.is_empty


def test_slow_down_puts_time_between_fragments_until_it_is_lifted() -> None:
    flow = flow_of(6, max_inflight=10)
    flow.backpressure(pressure("slow_down"))
    assert sent(flow, 0.0) == [(0, 0)]
    assert flow.due == 0.5
    assert sent(flow, 0.4) == []
    assert sent(flow, 0.5) == [(1, 1)]
    flow.backpressure(pressure("none"))
    assert sent(flow, 1.0) == [(2, 2), (3, 3), (4, 4), (5, 5)]


def test_only_none_lifts_a_pause() -> None:
    flow = flow_of(2)
    flow.backpressure(pressure("pause"))
    flow.backpressure(pressure("slow_down"))
    assert sent(flow, 100.0) == []
    assert flow.due is None
    flow.backpressure(pressure("none"))
    assert sent(flow, 100.0) == [(0, 0), (1, 1)]


def test_a_passing_failure_is_tried_once_more_with_its_number_while_others_go_on() -> None:
    flow = flow_of(3)
    sent(flow)
    flow.processed(result(0, fails=True), 1.0)
    flow.processed(result(1), 1.0)
    assert flow.due == 1.0 + RETRY_S
    assert sent(flow, 1.5) == []
    assert sent(flow, 2.0) == [(0, 0)]
    flow.processed(result(0, fails=True), 3.0)
    flow.processed(result(2), 3.0)
    outcomes = flow.take()
    assert [(one.fragment.index, one.tries) for one in outcomes] == [(0, 2), (1, 1), (2, 1)]
    assert outcomes[0].result is not None
    assert outcomes[0].result.status == "failed"


def test_a_failure_that_stays_is_not_tried_again() -> None:
    flow = flow_of(1)
    sent(flow)
    flow.processed(result(0, fails=True, retryable=False), 1.0)
    assert taken(flow) == [0]


@pytest.mark.parametrize("code", ["BACKPRESSURE_EXCEEDED", "RATE_LIMIT", "QUEUE_FULL"])
def test_what_is_refused_for_now_is_sent_again_before_anything_else(code: str) -> None:
    flow = flow_of(4, max_inflight=2)
    sent(flow)
    for at in range(5):
        flow.refused(refusal(0, code, retryable=True), float(at))
        flow.refused(refusal(1, code, retryable=True), float(at))
        assert sent(flow, at + RETRY_S / 2) == []
        assert sent(flow, at + RETRY_S) == [(0, 0), (1, 1)]


def test_what_was_passed_over_while_it_waited_gets_a_new_number_once() -> None:
    flow = flow_of(3)
    sent(flow)
    flow.refused(refusal(0, "INVALID_SEQUENCE", retryable=False), 1.0)
    assert sent(flow, 1.0) == [(3, 0)]
    flow.refused(refusal(0, "INVALID_SEQUENCE", retryable=False), 2.0)
    assert [outcome.refusal.code for outcome in flow.take() if outcome.refusal] == ["INVALID_SEQUENCE"]


def test_what_is_refused_for_good_has_no_result() -> None:
    flow = flow_of(1)
    sent(flow)
    flow.refused(refusal(0, "FRAGMENT_TOO_LARGE", retryable=False), 1.0)
    (outcome,) = flow.take()
    assert outcome.result is None
    assert outcome.refusal is not None
    assert outcome.refusal.code == "FRAGMENT_TOO_LARGE"


def test_refusals_and_results_of_strangers_change_nothing() -> None:
    flow = flow_of(1)
    sent(flow)
    gap = DubbingError(code="INVALID_SEQUENCE", message="", retryable=False, severity="error", error_id="e")
    flow.refused(gap, 1.0)
    flow.refused(refusal(7, "FRAGMENT_TOO_LARGE", retryable=False), 1.0)
    flow.processed(result(8), 1.0)
    assert taken(flow) == []
    assert not flow.is_empty


def test_on_a_new_connection_what_has_no_result_is_sent_again_numbered_from_0() -> None:
    flow = flow_of(5, max_inflight=4)
    sent(flow)
    flow.backpressure(pressure("pause"))
    flow.processed(result(1), 1.0)
    flow.processed(result(2, fails=True), 1.0)
    flow.reset()
    assert sent(flow, 2.0) == [(0, 0), (1, 2), (2, 3), (3, 4)]
    for index in (0, 3, 4):
        flow.processed(result(index), 3.0)
    flow.processed(result(2, fails=True), 3.0)  # its second failure
    assert taken(flow) == [0, 1, 2, 3, 4]


def test_a_lost_connection_is_no_try() -> None:
    flow = flow_of(1)
    for _ in range(5):
        sent(flow)
        flow.reset()
    sent(flow)
    flow.processed(result(0), 1.0)
    assert [outcome.tries for outcome in flow.take()] == [1]


def test_no_more_results_are_held_behind_one_that_is_missing_than_a_server_keeps() -> None:
    flow = Flow(3)
    index = 0
    while flow.wants_more:
        flow.offer(fragment(index))
        sent(flow)
        if index:
            flow.processed(result(index), 1.0)
        index += 1
    assert index == 32
