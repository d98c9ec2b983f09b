from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.audio.stretch import stretch
from antiphon.audio.wav import read_wav

SPEECH = read_wav((Path(__file__).parents[2] / "audio" / "spk1_snt5.wav").read_bytes())
SPEEDS = [0.5, 0.7, 0.9, 1.1, 1.5, 2.0]


@pytest.mark.parametrize("speed", SPEEDS)
def test_speech_takes_the_time_that_was_asked_for(speed: float) -> None:
    stretched = stretch(SPEECH.data, SPEECH.rate_hz, speed)
    assert len(stretched) / len(SPEECH.data) * speed == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_tone_keeps_its_pitch_and_stays_one_tone(speed: float) -> None:
    rate_hz = 24_000
    tone = (np.sin(np.arange(rate_hz * 2) * (440 * np.pi / rate_hz)) * 8_000).astype("<i2").tobytes()
    got = np.frombuffer(stretch(tone, rate_hz, speed), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got))))
    peak = int(spectrum.argmax())
    assert peak * rate_hz / len(got) == pytest.approx(220, abs=0.6)
    spectrum[max(0, peak - 6) : peak + 7] = 0
    assert spectrum.max() < np.abs(np.fft.rfft(got * np.hanning(len(got)))).max() / 100


@pytest.mark.parametrize("speed", SPEEDS)
def test_loudness_stays(speed: float) -> None:
    def power(data: bytes) -> float:
        return float((np.frombuffer(data, "<i2").astype(float) ** 2).mean())

    assert power(stretch(SPEECH.data, SPEECH.rate_hz, speed)) == pytest.approx(power(SPEECH.data), rel=0.15)


def test_speed_one_changes_nothing() -> None:
    assert stretch(SPEECH.data, SPEECH.rate_hz, 1.0) == SPEECH.data


@pytest.mark.parametrize("samples", [0, 1, 100, 1_000])
def test_a_moment_of_sound_is_no_error(samples: int) -> None:
    assert len(stretch(bytes(2 * samples), 24_000, 1.7)) <= 2 * samples
