"""The report of ``antiphon dub``: fragments, summary and subtitles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from rich.table import Table

from antiphon.cli.dub_flow import Outcome
from antiphon.entities.dubbing import StageTimings
from antiphon.text.subtitles import Cue, readable, srt
from antiphon.wire.dubbing_server import FragmentProcessed

_PLAYED = frozenset({"success", "partial"})


class FragmentRow(Struct, frozen=True, kw_only=True):
    """One fragment of the timeline."""

    sequence: int
    start_ms: int
    original_duration_ms: int
    dubbed_duration_ms: int | None = None
    """None without dubbed speech."""
    status: Literal["success", "partial", "failed"]
    speed_ratio: float | None = None
    variance_percent: float | None = None
    """Deviation of the length, as a share of the original's."""
    stage_timings: StageTimings = StageTimings()
    processing_time_ms: int | None = None
    latency_ms: int | None = None
    """Live run: from the end of its audio to its result."""
    tries: int = 1
    transcript: str = ""
    translated_text: str = ""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """Stage, code and message."""


class Summary(Struct, frozen=True, kw_only=True):
    """The whole run. Times in milliseconds; percentiles by nearest rank, None without a value."""

    fragments: int
    success: int
    partial: int
    failed: int
    original_ms: float
    dubbed_ms: float
    """Length of the new track, read back from its file."""
    drift_ms: float
    """Excess over the length of the original."""
    longest_deviation_ms: int
    longest_deviation_percent: float
    processing_p50_ms: int | None
    processing_p95_ms: int | None
    asr_p50_ms: int | None
    translation_p50_ms: int | None
    tts_p50_ms: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    took_s: float
    reconnections: int


class Report(Struct, frozen=True, kw_only=True):
    """The timeline file."""

    source: str
    out: str
    source_language: str
    target_language: str
    subtitles: tuple[str, ...]
    summary: Summary
    fragments: tuple[FragmentRow, ...]


def row_of(outcome: Outcome, heard_at: float | None = None) -> FragmentRow:
    """Return the row of a fragment; ``heard_at`` is the end of its audio in a live run."""
    fragment, result = outcome.fragment, outcome.result
    latency_ms = None if heard_at is None else round((outcome.done_at - heard_at) * 1000)
    if result is None:
        refusal = outcome.refusal
        return FragmentRow(
            sequence=fragment.index,
            start_ms=fragment.start_ms,
            original_duration_ms=fragment.duration_ms,
            status="failed",
            latency_ms=latency_ms,
            tries=outcome.tries,
            error=f"{refusal.code}: {refusal.message}" if refusal else None,
        )
    dubbed, facts = result.dubbed_audio or None, result.metadata or None
    return FragmentRow(
        sequence=fragment.index,
        start_ms=fragment.start_ms,
        original_duration_ms=fragment.duration_ms,
        dubbed_duration_ms=dubbed.duration_ms if dubbed else None,
        status=result.status,
        speed_ratio=facts.speed_ratio if facts else None,
        variance_percent=facts.duration_variance_percent if facts else None,
        stage_timings=result.stage_timings,
        processing_time_ms=result.processing_time_ms,
        latency_ms=latency_ms,
        tries=outcome.tries,
        transcript=(result.transcript or "").strip(),
        translated_text=(result.translated_text or "").strip(),
        warnings=result.warnings or (),
        error=_error_of(result),
    )


def summed(
    rows: Sequence[FragmentRow], *, original_ms: float, dubbed_ms: float, took_s: float, reconnections: int
) -> Summary:
    """Sum up a run."""
    deviations = [
        (abs(row.dubbed_duration_ms - row.original_duration_ms), row) for row in rows if row.dubbed_duration_ms
    ]
    longest, where = max(deviations, key=lambda one: one[0], default=(0, None))
    spoken = [row.stage_timings for row in rows if row.translated_text and row.status in _PLAYED]
    processing = [row.processing_time_ms for row in rows if row.processing_time_ms is not None]
    latencies = [row.latency_ms for row in rows if row.latency_ms is not None]
    counts = {status: sum(row.status == status for row in rows) for status in ("success", "partial", "failed")}
    return Summary(
        fragments=len(rows),
        **counts,
        original_ms=round(original_ms, 1),
        dubbed_ms=round(dubbed_ms, 1),
        drift_ms=round(dubbed_ms - original_ms, 1),
        longest_deviation_ms=longest,
        longest_deviation_percent=round(100 * longest / where.original_duration_ms, 2) if where else 0.0,
        processing_p50_ms=percentile(processing, 50),
        processing_p95_ms=percentile(processing, 95),
        asr_p50_ms=percentile([one.asr_ms for one in spoken], 50),
        translation_p50_ms=percentile([one.translation_ms for one in spoken], 50),
        tts_p50_ms=percentile([one.tts_ms for one in spoken], 50),
        latency_p50_ms=percentile(latencies, 50),
        latency_p95_ms=percentile(latencies, 95),
        took_s=round(took_s, 2),
        reconnections=reconnections,
    )


def percentile(values: Iterable[int], percent: int) -> int | None:
    """Return the ``percent`` (1 to 100) percentile of ``values`` by nearest rank; None without values."""
    ordered = sorted(values)
    return ordered[math.ceil(percent * len(ordered) / 100) - 1] if ordered else None


def table_of(summary: Summary) -> Table:
    """Return the table printed at the end of a run."""
    table = Table("what", "value", title="dubbed")
    counts = f"{summary.success} / {summary.partial} / {summary.failed}"
    table.add_row("fragments", str(summary.fragments))
    table.add_row("success / partial / failed", counts)
    deviation = f"{summary.longest_deviation_ms} ms ({summary.longest_deviation_percent:.1f} %)"
    table.add_row("longest deviation", deviation)
    table.add_row("total drift", f"{summary.drift_ms:+.1f} ms of {summary.original_ms / 1000:.1f} s")
    table.add_row("processing p50 / p95", f"{_ms(summary.processing_p50_ms)} / {_ms(summary.processing_p95_ms)}")
    stages = (summary.asr_p50_ms, summary.translation_p50_ms, summary.tts_p50_ms)
    table.add_row("recognition / translation / speech p50", " / ".join(map(_ms, stages)))
    if summary.latency_p50_ms is not None:
        table.add_row("behind the original p50 / p95", f"{_ms(summary.latency_p50_ms)} / {_ms(summary.latency_p95_ms)}")
    table.add_row("time taken", f"{summary.took_s:.1f} s")
    if summary.reconnections:
        table.add_row("reconnections", str(summary.reconnections))
    return table


def write_subtitles(out: Path, rows: Sequence[FragmentRow], source: str, target: str) -> tuple[Path, ...]:
    """Write the subtitles of both languages next to ``out``, as ``NAME.LANGUAGE.srt``; return their paths."""
    paths = {language: out.with_suffix(f".{language}.srt") for language in (source, target)}
    texts = {source: [row.transcript for row in rows], target: [row.translated_text for row in rows]}
    for language, path in paths.items():
        cues = (
            Cue(row.start_ms, row.start_ms + row.original_duration_ms, text)
            for row, text in zip(rows, texts[language], strict=True)
        )
        path.write_text(srt(readable(cues)), "utf-8")
    return tuple(paths.values())


def _error_of(result: FragmentProcessed) -> str | None:
    error = result.error or None
    return None if error is None else f"{error.stage} {error.code}: {error.message}"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value} ms"
