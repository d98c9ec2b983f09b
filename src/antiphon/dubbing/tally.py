"""Statistics of a stream: the outcome of each fragment, counted once."""

from __future__ import annotations

import math

from msgspec import UNSET, Struct, field

from antiphon.wire.dubbing_server import ErrorBreakdown, FragmentProcessed, Statistics, StreamComplete


class Tally(Struct):
    """Statistics of one session. Times are kept as counts per millisecond, so that memory is bounded."""

    success: int = 0
    partial: int = 0
    failed: int = 0
    audio_ms: int = 0
    times_ms: dict[int, int] = field(default_factory=dict[int, int])
    by_stage: dict[str, int] = field(default_factory=dict[str, int])
    by_code: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, result: FragmentProcessed, audio_ms: int) -> None:
        """Count a result."""
        self._count(result, 1)
        self.audio_ms += audio_ms

    def replace(self, old: FragmentProcessed, new: FragmentProcessed) -> None:
        """Count the result of a retry in place of the former one."""
        self._count(old, -1)
        self._count(new, 1)

    def _count(self, result: FragmentProcessed, by: int) -> None:
        setattr(self, result.status, getattr(self, result.status) + by)
        _change(self.times_ms, result.processing_time_ms, by)
        if result.error is not UNSET and result.status == "failed":
            _change(self.by_stage, result.error.stage, by)
            _change(self.by_code, result.error.code, by)

    @property
    def total(self) -> int:
        """Number of all fragments."""
        return self.success + self.partial + self.failed

    @property
    def average_ms(self) -> float:
        """Mean processing time, 0 without fragments."""
        total = sum(time * count for time, count in self.times_ms.items())
        return round(total / self.total, 1) if self.total else 0.0

    @property
    def p95_ms(self) -> int:
        """95th percentile of processing times, by nearest rank."""
        rank, passed = math.ceil(0.95 * self.total), 0
        for time in sorted(self.times_ms):
            passed += self.times_ms[time]
            if passed >= rank:
                return time
        return 0

    def complete(self, stream_id: str) -> StreamComplete:
        """Return the ``stream:complete`` event."""
        breakdown = ErrorBreakdown(by_stage=dict(self.by_stage), by_code=dict(self.by_code))
        counts = Statistics(
            total_fragments=self.total,
            success_count=self.success,
            partial_count=self.partial,
            failed_count=self.failed,
            avg_processing_time_ms=self.average_ms,
            p95_processing_time_ms=self.p95_ms,
            error_breakdown=breakdown,
        )
        return StreamComplete(
            stream_id=stream_id,
            total_fragments=self.total,
            total_duration_ms=self.audio_ms,
            success_count=self.success,
            partial_count=self.partial,
            failed_count=self.failed,
            avg_processing_time_ms=self.average_ms,
            p95_processing_time_ms=self.p95_ms,
            error_breakdown=breakdown,
            statistics=counts,
        )


def _change(counts: dict[str, int] | dict[int, int], key: str | int, by: int) -> None:
    table: dict[str | int, int] = counts  # pyright: ignore[reportAssignmentType] -- one rule for both kinds of key
    table[key] = table.get(key, 0) + by
    if not table[key]:
        del table[key]
