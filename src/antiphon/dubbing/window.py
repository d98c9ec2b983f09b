"""The window of a stream: how many fragments are under way, and what the worker is told about it."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_server import Action, Backpressure, Severity


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The most fragments in flight of each severity. Raises `InvalidRequest` unless they ascend."""

    low: int = 3
    medium: int = 6
    high: int = 10
    """Also the most that are taken at all."""

    def __post_init__(self) -> None:
        if not 0 < self.low < self.medium < self.high:
            raise InvalidRequest(
                f"the thresholds must ascend: {self.low} < {self.medium} < {self.high}",
                param="dubbing_backpressure_low",
            )

    def severity(self, in_flight: int) -> Severity:
        """Return the band that so many fragments in flight lie in."""
        if in_flight <= self.low:
            return "low"
        return "medium" if in_flight <= self.medium else "high"


def announcement(
    severity: Severity, *, stream_id: str, in_flight: int, max_inflight: int, queue_depth: int
) -> Backpressure:
    """Return the event that tells of a severity: ``slow_down``, ``pause``, and ``none``, which lifts both."""
    advice: dict[Severity, tuple[Action, int | UnsetType]] = {
        "low": ("none", UNSET),
        "medium": ("slow_down", 500),
        "high": ("pause", 2_000),
    }
    action, delay_ms = advice[severity]
    return Backpressure(
        stream_id=stream_id,
        severity=severity,
        action=action,
        current_inflight=in_flight,
        max_inflight=max_inflight,
        queue_depth=queue_depth,
        threshold_exceeded=UNSET if severity == "low" else severity,
        recommended_delay_ms=delay_ms,
    )
