"""Statistics of a stream: counts, times and errors, with retries in place of the results that they replace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from antiphon.dubbing.tally import Tally
from antiphon.entities.dubbing import ProcessingError, StageTimings, Status
from antiphon.wire.dubbing_server import FragmentProcessed


def result(status: Status = "success", took_ms: int = 100, *, code: str = "TIMEOUT", stage: Any = "asr") -> Any:
    error = ProcessingError(stage=stage, code=code, message="m", retryable=True) if status != "success" else UNSET
    return FragmentProcessed(
        fragment_id="f",
        stream_id="s",
        sequence_number=0,
        status=status,
        processing_time_ms=took_ms,
        stage_timings=StageTimings(),
        error=error,
    )


def counted(*results: FragmentProcessed) -> Tally:
    tally = Tally()
    for one in results:
        tally.add(one, 6_000)
    return tally


def test_an_empty_tally_is_all_zero() -> None:
    tally = Tally()
    assert (tally.total, tally.average_ms, tally.p95_ms) == (0, 0.0, 0)
    complete = tally.complete("s")
    assert (complete.total_fragments, complete.total_duration_ms) == (0, 0)
    assert (complete.error_breakdown.by_stage, complete.error_breakdown.by_code) == ({}, {})


def test_results_are_counted_by_status_and_their_audio_is_added() -> None:
    complete = counted(result(), result("partial"), result("failed"), result()).complete("s")
    assert (complete.stream_id, complete.total_fragments, complete.total_duration_ms) == ("s", 4, 24_000)
    assert (complete.success_count, complete.partial_count, complete.failed_count) == (2, 1, 1)


def test_only_failures_are_in_the_breakdown_of_errors() -> None:
    failures = (result("failed", code="TIMEOUT", stage="tts"), result("failed", code="ASR_FAILED"))
    told = counted(*failures, failures[0], result("partial", code="DURATION_MISMATCH")).complete("s").error_breakdown
    assert told.by_stage == {"tts": 2, "asr": 1}
    assert told.by_code == {"TIMEOUT": 2, "ASR_FAILED": 1}


def test_a_retry_replaces_its_former_result_everywhere() -> None:
    tally = counted(result("failed", 5_000), result("success", 100))
    tally.replace(result("failed", 5_000), result("success", 300))
    complete = tally.complete("s")
    assert (complete.success_count, complete.failed_count, complete.total_duration_ms) == (2, 0, 12_000)
    assert (complete.avg_processing_time_ms, complete.p95_processing_time_ms) == (200.0, 300)
    assert complete.error_breakdown.by_code == complete.error_breakdown.by_stage == {}


def test_both_forms_of_the_statistics_agree() -> None:
    complete = counted(result("success", 10), result("failed", 25)).complete("s")
    names = ("total_fragments", "success_count", "partial_count", "failed_count")
    times = ("avg_processing_time_ms", "p95_processing_time_ms", "error_breakdown")
    for name in (*names, *times):
        assert getattr(complete, name) == getattr(complete.statistics, name), name


@pytest.mark.parametrize(
    ("times_ms", "average_ms", "p95_ms"),
    [
        ([7], 7.0, 7),
        ([1, 2], 1.5, 2),
        ([1, 1, 2], 1.3, 2),
        (list(range(1, 21)), 10.5, 19),
        (list(range(1, 101)), 50.5, 95),
        ([10] * 19 + [1_000], 59.5, 10),
        ([10] * 18 + [1_000] * 2, 109.0, 1_000),
    ],
)
def test_the_average_is_rounded_and_the_percentile_is_a_time_that_was_measured(
    times_ms: list[int], average_ms: float, p95_ms: int
) -> None:
    tally = counted(*(result(took_ms=one) for one in times_ms))
    assert (tally.average_ms, tally.p95_ms) == (average_ms, p95_ms)


@given(st.lists(st.tuples(st.sampled_from(["success", "partial", "failed"]), st.integers(0, 5)), max_size=12))
def test_replacing_every_result_leaves_what_counting_the_new_ones_alone_gives(old: list[tuple[Status, int]]) -> None:
    tally = counted(*(result(status, took) for status, took in old))
    for status, took in old:
        tally.replace(result(status, took), result("success", took + 1))
    assert tally == counted(*(result(took_ms=took + 1) for _, took in old))
