"""The spectrogram has the shape and the scale that the networks were trained on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.log_mel import BANDS, RATE_HZ, log_mel

Floats = NDArray[np.float32]


def tone(hz: float, seconds: float = 1.0) -> Floats:
    return np.sin(np.arange(int(RATE_HZ * seconds)) * (2 * np.pi * hz / RATE_HZ)).astype(np.float32) * 0.3


def test_a_second_has_100_frames_of_80_bands() -> None:
    assert log_mel(tone(440)).shape == (BANDS, 100)
    assert log_mel(tone(440, 8.0)).shape == (BANDS, 800)


def test_higher_tones_lie_in_higher_bands() -> None:
    loudest = [int(log_mel(tone(hz))[:, 50].argmax()) for hz in (200, 500, 1_000, 2_000, 4_000, 7_000)]
    assert loudest == sorted(set(loudest))


def test_the_range_is_eight_decades_below_the_loudest() -> None:
    mel = log_mel(tone(440))
    assert mel.max() - mel.min() == pytest.approx(2.0, abs=1e-5)


def test_silence_is_flat() -> None:
    mel = log_mel(np.zeros(RATE_HZ, np.float32))
    assert mel.min() == mel.max()


@pytest.mark.engines
def test_it_equals_what_whisper_is_fed() -> None:
    extractor = pytest.importorskip("faster_whisper.feature_extractor").FeatureExtractor()
    noise = np.random.default_rng(1).normal(0, 0.1, RATE_HZ * 3).astype(np.float32)
    expected = extractor(noise, padding=0)
    ours = log_mel(noise)
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < 1e-3
