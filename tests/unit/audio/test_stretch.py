from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.audio.resample import resample
from antiphon.audio.stretch import stretch, stretch_to
from antiphon.audio.wav import read_wav
from tests.pitch import moved_percent

AUDIO = Path(__file__).parents[2] / "audio"
SPEECH = read_wav((AUDIO / "spk1_snt5.wav").read_bytes())
SPEEDS = [0.5, 0.7, 0.9, 1.1, 1.5, 2.0]


@pytest.mark.parametrize("speed", SPEEDS)
def test_speech_takes_the_time_that_was_asked_for(speed: float) -> None:
    stretched = stretch(SPEECH.data, SPEECH.rate_hz, speed)
    assert len(stretched) == 2 * round(len(SPEECH.data) / 2 / speed)


@pytest.mark.parametrize("total", [1, 100, 41_111, 80_001])
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
def test_the_samples_are_counted(rate_hz: int, total: int) -> None:
    assert len(stretch_to(SPEECH.data, rate_hz, total)) == 2 * total


@pytest.mark.parametrize("name", ["jfk.wav", "austen-0870.wav", "spk1_snt5.wav", "spk2_snt4.wav"])
@pytest.mark.parametrize("speed", [0.5, 0.75, 1.25, 2.0])
def test_voices_keep_their_pitch(name: str, speed: float) -> None:
    wav = read_wav((AUDIO / name).read_bytes())
    speech = wav.data[: 2 * wav.rate_hz * 3]
    assert moved_percent(speech, stretch(speech, wav.rate_hz, speed), wav.rate_hz) < 2
    played_quicker = resample(speech, round(wav.rate_hz * speed), wav.rate_hz)  # what the measure makes of a shift
    assert moved_percent(speech, played_quicker, wav.rate_hz) == pytest.approx(abs(speed - 1) * 100, rel=0.1)


@pytest.mark.parametrize("speed", SPEEDS)
def test_hiss_does_not_tremble(speed: float) -> None:
    hiss = (np.random.default_rng(1).standard_normal(48_000) * 3_000).astype("<i2").tobytes()
    got = np.frombuffer(stretch(hiss, 24_000, speed), "<i2").astype(float)
    blocks = got[: len(got) // 120 * 120].reshape(-1, 120)  # 5 ms: a third of a piece
    loudness = np.sqrt((blocks * blocks).mean(axis=1))
    assert np.sqrt((got * got).mean()) == pytest.approx(3_000, rel=0.02)
    assert np.std(loudness) / np.mean(loudness) < 0.09


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
