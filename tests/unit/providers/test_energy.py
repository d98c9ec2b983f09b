"""The detector without a model: what stands out of the noise is a voice."""

from __future__ import annotations

import numpy as np
import pytest

from antiphon.audio.windows import Windows
from antiphon.providers.energy import AdaptiveLevel

WINDOWS_PER_S = 31


def noise(rms: float, seconds: float) -> Windows:
    """Return noise of an RMS in full scale 1.0."""
    count = int(WINDOWS_PER_S * seconds)
    samples = np.random.default_rng(5).normal(0, rms * 32_768, (count, 512))
    return np.clip(samples, -32_768, 32_767).astype("<i2")


def test_a_voice_out_of_silence_is_heard_at_once() -> None:
    level = AdaptiveLevel()
    assert max(level.score(noise(0.0, 1.0))) < 0.1
    assert level.score(noise(0.1, 0.1))[0] > 0.9


def test_the_first_loud_window_of_a_stream_is_a_voice() -> None:
    assert AdaptiveLevel().score(noise(0.1, 0.1))[0] > 0.9


@pytest.mark.parametrize("rms", [0.002, 0.01, 0.016])
def test_steady_noise_becomes_silence_within_two_seconds(rms: float) -> None:
    level = AdaptiveLevel()
    level.score(noise(rms, 2.0))
    assert max(level.score(noise(rms, 3.0))) < 0.5


def test_a_voice_above_steady_noise_is_heard() -> None:
    level = AdaptiveLevel()
    level.score(noise(0.01, 2.0))
    assert min(level.score(noise(0.15, 0.5))) > 0.9


def test_after_the_voice_it_is_silent_again_at_once() -> None:
    level = AdaptiveLevel()
    level.score(noise(0.001, 1.0))
    level.score(noise(0.2, 1.0))
    assert level.score(noise(0.001, 0.1))[0] < 0.1
