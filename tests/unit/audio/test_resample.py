from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.audio.resample import Resampler, resample

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


def tone(rate_hz: int, seconds: float = 0.5) -> bytes:
    return (np.sin(np.arange(int(rate_hz * seconds)) * (880 * np.pi / rate_hz)) * 10_000).astype("<i2").tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(RATES),
    st.sampled_from(RATES),
    st.lists(st.integers(0, 3_001), min_size=1, max_size=12),
    st.booleans(),
)
def test_pieces_join_to_what_one_piece_gives(from_hz: int, to_hz: int, cuts: list[int], quick: bool) -> None:
    sound = tone(from_hz, 0.25)
    stream, whole = Resampler(from_hz, to_hz, quick=quick), Resampler(from_hz, to_hz, quick=quick)
    joined, position = b"", 0
    for cut in cuts:
        joined += stream.feed(sound[position : position + cut])
        position = min(position + cut, len(sound))
    joined += stream.feed(sound[position:]) + stream.flush()
    assert joined == whole.feed(sound) + whole.flush()


@pytest.mark.parametrize("to_hz", RATES)
@pytest.mark.parametrize("from_hz", RATES)
def test_a_tone_stays_the_tone_without_clicks(from_hz: int, to_hz: int) -> None:
    got = np.frombuffer(resample(tone(from_hz), from_hz, to_hz), "<i2").astype(float)
    want = np.frombuffer(tone(to_hz), "<i2").astype(float)
    assert abs(len(got) - len(want)) <= 1
    middle = slice(len(want) // 10, -len(want) // 10)
    assert np.abs(got[: len(want)][middle] - want[: len(got)][middle]).max() <= 4


def test_equal_rates_pass_through_at_once_in_whole_samples() -> None:
    same = Resampler(24_000, 24_000)
    assert same.feed(b"abc") == b"ab"
    assert same.feed(b"d") == b"cd"
    assert same.feed(b"e") == b""
    assert same.flush() == b""
    assert same.feed(b"gh") == b"gh"


def test_a_flushed_resampler_starts_anew() -> None:
    stream = Resampler(24_000, 16_000)
    first = stream.feed(tone(24_000)) + stream.flush()
    assert stream.feed(tone(24_000)) + stream.flush() == first


def test_full_scale_does_not_wrap_around() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], "<i2"), 40), 60).tobytes()
    got = np.frombuffer(resample(square, 24_000, 16_000), "<i2").astype(int)
    assert np.abs(np.diff(np.sign(got[200:-200]))).sum() / 2 == pytest.approx(2 * 60 - 10, abs=6)


def test_the_quick_filter_answers_in_half_the_time() -> None:
    def wait_ms(quick: bool) -> float:
        stream, fed = Resampler(24_000, 16_000, quick=quick), 0
        while not stream.feed(bytes(48)):
            fed += 1
        return fed

    assert wait_ms(quick=True) <= 0.65 * wait_ms(quick=False) <= 30
