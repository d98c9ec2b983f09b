"""Backpressure: thresholds and what is told of them."""

from __future__ import annotations

import pytest

from antiphon.dubbing.backpressure import Thresholds, announcement
from antiphon.errors import InvalidRequest
from tests.options import thresholds


@pytest.mark.parametrize("bands", [(0, 6, 10, 10), (6, 6, 10, 10), (3, 10, 10, 10), (3, 6, 10, 9)])
def test_thresholds_that_do_not_ascend_are_refused_by_name(bands: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidRequest, match="must ascend") as refused:
        Thresholds(*bands)
    assert refused.value.param == "dubbing_backpressure_low"


@pytest.mark.parametrize(("in_flight", "band"), [(0, 0), (3, 0), (4, 1), (6, 1), (7, 2), (10, 2), (11, 3)])
def test_a_band_begins_above_its_threshold(in_flight: int, band: int) -> None:
    assert thresholds().band(in_flight) == band


@pytest.mark.parametrize(
    ("band", "severity", "action"),
    [(0, "low", "none"), (1, "medium", "slow_down"), (2, "high", "pause"), (3, "high", "pause")],
)
def test_every_band_has_its_advice(band: int, severity: str, action: str) -> None:
    told = announcement(band, stream_id="s", in_flight=1, max_inflight=3, queue_depth=1)
    assert (told.severity, told.action) == (severity, action)
