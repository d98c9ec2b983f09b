from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.ticks import TICKS_PER_MS, TICKS_PER_S, VAD_WINDOW_TICKS, from_ms, ms


@pytest.mark.parametrize(("ticks", "milliseconds"), [(0, 0), (23, 0), (24, 1), (47, 1), (48, 2), (24_000, 1_000)])
def test_milliseconds_are_whole_and_rounded_down(ticks: int, milliseconds: int) -> None:
    assert ms(ticks) == milliseconds


@given(st.integers(0, 10**12))
def test_milliseconds_survive_ticks(milliseconds: int) -> None:
    assert ms(from_ms(milliseconds)) == milliseconds


@pytest.mark.parametrize("rate_hz", [8_000, 12_000, 24_000])
def test_a_sample_of_every_rate_on_the_wire_is_a_whole_number_of_ticks(rate_hz: int) -> None:
    assert TICKS_PER_S % rate_hz == 0


def test_a_window_of_detectors_is_512_samples_at_16_khz() -> None:
    assert VAD_WINDOW_TICKS * 16_000 == 512 * TICKS_PER_S
    assert ms(VAD_WINDOW_TICKS) == 32
    assert TICKS_PER_MS * 1_000 == TICKS_PER_S
