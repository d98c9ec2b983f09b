"""Backpressure: severity by the number of fragments in flight, and the event that announces it."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from antiphon.errors import InvalidRequest
from antiphon.wire.dubbing_server import Action, Backpressure, Severity

_ADVICE: tuple[tuple[Severity, Action, int | UnsetType], ...] = (
    ("low", "none", UNSET),
    ("medium", "slow_down", 500),
    ("high", "pause", 2_000),
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The most fragments in flight of each severity. Raises `InvalidRequest` unless they ascend."""

    low: int
    medium: int
    high: int
    """Above it the worker is told to pause once more, if ``critical`` is larger."""
    critical: int
    """Limit: further fragments are refused."""

    def __post_init__(self) -> None:
        if not 0 < self.low < self.medium < self.high <= self.critical:
            raise InvalidRequest(
                "the thresholds of backpressure must ascend: "
                f"low {self.low} < medium {self.medium} < high {self.high} <= critical {self.critical}",
                param="dubbing_backpressure_low",
            )

    def band(self, in_flight: int) -> int:
        """Return the severity band, 0 to 3, of a number of fragments in flight."""
        return sum(in_flight > most for most in (self.low, self.medium, self.high))


def announcement(band: int, *, stream_id: str, in_flight: int, max_inflight: int, queue_depth: int) -> Backpressure:
    """Return the event that announces a band: ``slow_down``, ``pause``, or ``none``, which lifts both."""
    severity, action, delay_ms = _ADVICE[min(band, len(_ADVICE) - 1)]
    return Backpressure(
        stream_id=stream_id,
        severity=severity,
        action=action,
        current_inflight=in_flight,
        max_inflight=max_inflight,
        queue_depth=queue_depth,
        threshold_exceeded=None if severity == "low" else severity,
        recommended_delay_ms=delay_ms,
    )
