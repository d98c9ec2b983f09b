"""Voice detection on whole clips: what the detector is given, and how its scores are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.providers.whisper.model import WhisperNetwork
from antiphon.providers.whisper.voice import CLEAR_ODDS, Samples, VoiceScores, score_voice
from antiphon.providers.whisper.window import VOICE_ODDS, Stretch, voice_odds
from tests.unit.providers.whisper.stage import GAINS, RATE_HZ, recording, voiceless

LEAD_IN_WINDOWS = 5 * RATE_HZ // WINDOW_SAMPLES


class Detector:
    """Scores each window by its level, and notes what it was given."""

    def __init__(self) -> None:
        self.given: list[Samples] = []

    def __call__(self, samples: Samples) -> Samples:
        self.given.append(samples)
        windows = samples.reshape(-1, WINDOW_SAMPLES)
        return np.clip(np.abs(windows).max(axis=1) * 5, 0.0, 1.0).astype(np.float32)


def steps(*levels: float) -> Samples:
    """Return windows of a high tone of these levels."""
    tone = np.sin(np.arange(WINDOW_SAMPLES) * (2 * np.pi * 2_000 / RATE_HZ))
    return np.concatenate([tone * level for level in levels]).astype(np.float32)


def test_a_clip_without_samples_has_no_scores_and_asks_no_detector() -> None:
    detector = Detector()
    scores = score_voice(detector, np.zeros(0, np.float32))
    assert (scores.forwards, list(scores.again()), detector.given) == ([], [], [])
    assert scores.odds(0, 0) < 1e-5


@pytest.mark.parametrize(("samples", "windows"), [(1, 1), (WINDOW_SAMPLES, 1), (WINDOW_SAMPLES + 1, 2), (16_000, 32)])
def test_every_window_has_a_score_and_the_last_is_padded(samples: int, windows: int) -> None:
    scores = score_voice(Detector(), np.full(samples, 0.1, np.float32))
    assert [len(one) for one in (scores.forwards, *scores.again())] == [windows] * 3


def test_the_detector_settles_on_the_end_of_the_clip_before_it_scores_it() -> None:
    detector = Detector()
    score_voice(detector, steps(*[0.01] * 200, *[0.1] * 200))
    [given] = detector.given
    assert len(given) == (LEAD_IN_WINDOWS + 400) * WINDOW_SAMPLES
    np.testing.assert_array_equal(given[: LEAD_IN_WINDOWS * WINDOW_SAMPLES], given[-LEAD_IN_WINDOWS * WINDOW_SAMPLES :])


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.0, 10.0])
def test_scores_do_not_depend_on_the_loudness_of_a_clip(gain: float) -> None:
    clip = steps(0.02, 0.1, 0.05, 0.1)
    assert score_voice(Detector(), clip * gain).forwards == pytest.approx(
        score_voice(Detector(), clip).forwards, rel=1e-3
    )


def test_what_is_all_but_silent_is_not_made_as_loud_as_a_voice() -> None:
    assert max(score_voice(Detector(), steps(*[1e-6] * 10)).forwards) < 0.01


def test_the_other_ways_are_heard_once_and_in_the_order_of_the_clip() -> None:
    detector = Detector()
    scores = score_voice(detector, steps(*[0.01] * 4, 0.1, *[0.01] * 7))
    assert len(detector.given) == 1
    backwards, without_lows = scores.again()
    assert scores.again() == (backwards, without_lows)
    assert len(detector.given) == 3
    for one in (scores.forwards, backwards, without_lows):
        assert int(np.argmax(one)) == 4


def test_low_frequencies_are_left_out_of_one_of_the_ways() -> None:
    rumble = (0.1 * np.sin(np.arange(16_000) * (2 * np.pi * 50 / RATE_HZ))).astype(np.float32)
    detector = Detector()
    score_voice(detector, rumble + steps(*[0.02] * 32)[:16_000]).again()
    low_hz = [
        np.abs(np.fft.rfft(given[-8_000:]))[: 100 // 2].max() / np.abs(np.fft.rfft(given[-8_000:])).max()
        for given in detector.given
    ]
    assert low_hz[0] == low_hz[1] == 1.0
    assert low_hz[2] < 0.2


@pytest.mark.parametrize(
    ("forwards", "others", "odds"),
    [
        ([0.1, 0.5], ([0.5, 0.1], [0.2, 0.5]), 1.0),
        ([0.1, 0.8], ([0.8, 0.1], [0.8, 0.1]), 4.0),
        ([0.1, 0.8], ([0.2, 0.1], [0.5, 0.1]), 1.0),
        ([0.0, 0.0], ([0.0, 0.0], [0.0, 0.0]), 1e-6),
        ([1.0, 0.0], ([0.0, 0.0], [0.0, 0.0]), 1e6),
    ],
)
def test_odds_are_those_of_the_likeliest_window_in_the_mean_of_all_ways(
    forwards: list[float], others: Sequence[list[float]], odds: float
) -> None:
    assert VoiceScores(forwards, lambda: others).odds(0, 2) == pytest.approx(odds, rel=1e-3)


def test_a_clear_voice_needs_no_other_way() -> None:
    def again() -> Sequence[list[float]]:
        raise AssertionError("a clear voice was scored again")

    assert VoiceScores([0.0, 0.96], again).odds(0, 2) == pytest.approx(24.0)
    assert CLEAR_ODDS < 24.0
    with pytest.raises(AssertionError, match="scored again"):
        VoiceScores([0.0, 0.96], again).odds(0, 1)


def odds(network: WhisperNetwork, samples: Samples) -> float:
    """The detector's odds that somebody speaks in the clip."""
    return voice_odds(network.detect(samples), Stretch(0.0, len(samples) / RATE_HZ))


@pytest.fixture(scope="module")
def margins(network: WhisperNetwork) -> dict[str, tuple[float, float]]:
    """The least and the greatest odds of each kind, over all gains."""
    names = ("jfk.wav", "austen-0870.wav", "spk1_snt4.wav", "spk2_snt2.wav", "2609-156975-0001.flac", "french.aiff")
    kinds = {**voiceless(), "speech": [recording(name) for name in names]}
    found = {kind: [odds(network, clip * gain) for clip in clips for gain in GAINS] for kind, clips in kinds.items()}
    return {kind: (min(values), max(values)) for kind, values in found.items()}


@pytest.mark.engines("whisper-base")
def test_between_noise_and_speech_lies_a_wide_margin(
    margins: dict[str, tuple[float, float]], record_property: Callable[[str, object], None]
) -> None:
    for kind, (least, greatest) in margins.items():
        record_property(
            "margin", f"odds of a voice, {kind:<10} {least:8.3f} to {greatest:8.3f}; heard from {VOICE_ODDS}"
        )
    loudest = {kind: greatest for kind, (_, greatest) in margins.items() if kind != "speech"}
    assert max(loudest.values()) <= VOICE_ODDS / 2, loudest
    assert margins["speech"][0] >= VOICE_ODDS * 4
