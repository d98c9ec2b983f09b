from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.detector_rate import DetectorRate

RATES = [24_000, 8_000]


def tone(hz: int, rate_hz: int, seconds: float = 1.024) -> bytes:
    samples = 8_000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return samples.astype("<i2").tobytes()


def level_db(data: bytes) -> float:
    """The level beside that of the tone."""
    samples = np.frombuffer(data, "<i2")[500:-500].astype(np.float64)
    return 20 * np.log10(np.sqrt(np.mean(samples**2)) * np.sqrt(2) / 8_000 + 1e-9)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_window_is_complete_with_its_last_sample(rate_hz: int) -> None:
    detector = DetectorRate(rate_hz)
    window = tone(400, rate_hz, 0.032)
    assert detector.feed(window[:-2]) == b""
    assert len(detector.feed(window[-2:])) == 1024
    assert len(detector.feed(window * 3 + window[:100])) == 3 * 1024


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("hz", [100, 400, 1000, 3000])
def test_voice_passes_as_it_is(rate_hz: int, hz: int) -> None:
    heard = DetectorRate(rate_hz).feed(tone(hz, rate_hz))
    assert level_db(heard) == pytest.approx(0, abs=0.5)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(heard, "<i2")[:16_000]))
    assert abs(int(spectrum.argmax()) - hz) <= 1


@pytest.mark.parametrize("hz", [10_000, 11_500])
def test_what_would_fold_into_the_voice_is_gone(hz: int) -> None:
    assert level_db(DetectorRate(24_000).feed(tone(hz, 24_000))) < -40


@given(cuts=st.lists(st.integers(0, 6_000), max_size=12), rate_hz=st.sampled_from(RATES))
def test_the_windows_are_the_same_however_the_stream_is_cut(cuts: list[int], rate_hz: int) -> None:
    data = tone(700, rate_hz, 0.13)
    places = sorted({min(cut, len(data)) // 2 * 2 for cut in cuts})
    cut_up = DetectorRate(rate_hz)
    pieces = [cut_up.feed(data[a:b]) for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    assert b"".join(pieces) == DetectorRate(rate_hz).feed(data)


def test_full_scale_does_not_wrap() -> None:
    square = (np.sign(np.sin(np.arange(24_000) / 30)) * 32_767).astype("<i2").tobytes()
    heard = np.frombuffer(DetectorRate(24_000).feed(square), "<i2").astype(int)
    steps = np.sign(np.frombuffer(square, "<i2")[::3].astype(int))
    plateau = np.repeat(steps, 2)[: len(heard)]
    assert heard.max() == 32_767
    assert np.mean(np.sign(heard) == plateau) > 0.9
