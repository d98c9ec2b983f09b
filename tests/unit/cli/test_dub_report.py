"""What is said of a run: figures by their definitions, subtitles that players read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from antiphon.cli.dub_flow import Fragment, Outcome
from antiphon.cli.dub_report import FragmentRow, percentile, row_of, summed, table_of, write_subtitles
from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, StageTimings
from antiphon.wire.dubbing_server import DubbedAudio, DubbingError, FragmentProcessed

FRAGMENT = Fragment(3, "f3", 8_000, np.zeros((4_000, 1), np.int16), 8_000)


def row(**fields: Any) -> FragmentRow:
    return FragmentRow(**{"sequence": 0, "start_ms": 0, "original_duration_ms": 1_000, "status": "success", **fields})


def processed(**fields: Any) -> FragmentProcessed:
    audio = DubbedAudio(format="pcm_s16le", sample_rate_hz=8_000, channels=1, duration_ms=560, data_base64="AAA=")
    return FragmentProcessed(
        **{
            "fragment_id": "f3",
            "stream_id": "s",
            "sequence_number": 0,
            "status": "success",
            "processing_time_ms": 70,
            "dubbed_audio": audio,
            "transcript": " hello ",
            "translated_text": "hola",
            "stage_timings": StageTimings(asr_ms=50, translation_ms=5, tts_ms=10),
            "metadata": FragmentMetadata(
                original_duration_ms=500,
                dubbed_duration_ms=560,
                duration_variance_percent=12.0,
                speed_ratio=1.25,
                asr_model="ear",
                translation_model="tongue",
                tts_model="mouth",
            ),
            **fields,
        }
    )


def test_a_row_says_where_a_fragment_stands_and_what_became_of_it() -> None:
    error = ProcessingError(stage="tts", code="DURATION_MISMATCH", message="12 % longer", retryable=False)
    result = processed(status="partial", error=error, warnings=("duration_variance_high",))
    assert row_of(Outcome(FRAGMENT, result, tries=2, done_at=10.25), heard_at=10.0) == FragmentRow(
        sequence=3,
        start_ms=1_000,
        original_duration_ms=500,
        dubbed_duration_ms=560,
        status="partial",
        speed_ratio=1.25,
        variance_percent=12.0,
        stage_timings=StageTimings(asr_ms=50, translation_ms=5, tts_ms=10),
        processing_time_ms=70,
        latency_ms=250,
        tries=2,
        transcript="hello",
        translated_text="hola",
        warnings=("duration_variance_high",),
        error="tts DURATION_MISMATCH: 12 % longer",
    )


def test_a_row_of_a_fragment_that_was_not_taken_says_why() -> None:
    refusal = DubbingError(
        code="FRAGMENT_TOO_LARGE", message="more than 10 MiB", retryable=False, severity="error", error_id="e"
    )
    refused = row_of(Outcome(FRAGMENT, None, refusal))
    assert (refused.status, refused.error) == ("failed", "FRAGMENT_TOO_LARGE: more than 10 MiB")
    assert refused.processing_time_ms is None
    assert refused.latency_ms is None


def test_a_failed_fragment_has_neither_speech_nor_a_speed() -> None:
    bare: dict[str, Any] = {"fragment_id": "f3", "stream_id": "s", "sequence_number": 0, "processing_time_ms": 1}
    failed = row_of(Outcome(FRAGMENT, FragmentProcessed(status="failed", **bare)))
    assert (failed.dubbed_duration_ms, failed.speed_ratio, failed.transcript, failed.error) == (None, None, "", None)


@pytest.mark.parametrize(("values", "percent", "expected"), [
    ([], 50, None),
    ([7], 95, 7),
    ([4, 1, 3, 2], 50, 2),
    ([4, 1, 3, 2], 95, 4),
    (list(range(1, 21)), 95, 19),
    (list(range(1, 101)), 95, 95),
])  # fmt: skip
def test_percentiles_are_by_nearest_rank(values: list[int], percent: int, expected: int | None) -> None:
    assert percentile(values, percent) == expected


ROWS = [
    row(
        dubbed_duration_ms=1_000,
        processing_time_ms=100,
        translated_text="a",
        stage_timings=StageTimings(asr_ms=80, translation_ms=4, tts_ms=9),
    ),
    row(
        dubbed_duration_ms=1_150,
        processing_time_ms=300,
        translated_text="b",
        status="partial",
        latency_ms=40,
        stage_timings=StageTimings(asr_ms=90, tts_ms=7),
    ),
    row(dubbed_duration_ms=1_000, processing_time_ms=20, stage_timings=StageTimings(asr_ms=9_999)),  # silence
    row(status="failed", processing_time_ms=200, translated_text="c", stage_timings=StageTimings(asr_ms=5_000)),
    row(status="failed", error="FRAGMENT_TOO_LARGE: no"),
]


def test_a_run_is_summed_up() -> None:
    summary = summed(ROWS, original_ms=5_000.04, dubbed_ms=5_008.0, took_s=1.234, reconnections=1)
    assert (summary.fragments, summary.success, summary.partial, summary.failed) == (5, 2, 1, 2)
    assert (summary.longest_deviation_ms, summary.longest_deviation_percent) == (150, 15.0)
    assert summary.drift_ms == 8.0
    assert (summary.processing_p50_ms, summary.processing_p95_ms) == (100, 300)
    assert (summary.asr_p50_ms, summary.translation_p50_ms, summary.tts_p50_ms) == (80, 0, 7)
    assert (summary.latency_p50_ms, summary.latency_p95_ms) == (40, 40)
    assert summary.took_s == 1.23


def shown(rows: list[FragmentRow], reconnections: int) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(table_of(summed(rows, original_ms=5_000, dubbed_ms=4_999, took_s=1, reconnections=reconnections)))
    return " ".join(capture.get().split())


def test_the_table_shows_everything() -> None:
    said = shown(ROWS, 2)
    for line in (
        "fragments │ 5 │",
        "success / partial / failed │ 2 / 1 / 2 │",
        "longest deviation │ 150 ms (15.0 %) │",
        "total drift │ -1.0 ms of 5.0 s │",
        "processing p50 / p95 │ 100 ms / 300 ms │",
        "behind the original p50 / p95 │ 40 ms / 40 ms │",
        "reconnections │ 2 │",
    ):
        assert line in said


def test_the_table_says_nothing_of_what_was_not() -> None:
    said = shown([row(status="failed")], 0)
    assert "processing p50 / p95 │ - / - │" in said
    assert "longest deviation │ 0 ms (0.0 %) │" in said
    assert "behind" not in said
    assert "reconnections" not in said


def test_subtitles_of_both_languages_stand_beside_the_recording(tmp_path: Path) -> None:
    rows = [
        row(transcript="Hello.", translated_text="Hola."),
        row(start_ms=1_000),
        row(start_ms=2_000, transcript="Bye.", status="failed"),
    ]
    source, target = write_subtitles(tmp_path / "film.mp4", rows, "en", "es")
    assert (source.name, target.name) == ("film.en.srt", "film.es.srt")
    assert source.read_text("utf-8") == (
        "1\n00:00:00,000 --> 00:00:01,000\nHello.\n\n2\n00:00:02,000 --> 00:00:03,000\nBye.\n"
    )
    assert target.read_text("utf-8") == "1\n00:00:00,000 --> 00:00:01,000\nHola.\n"
