from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from antiphon.audio.wav import read_wav
from antiphon.dubbing.fit import DurationStatus, Limits, Tempo, fit, judge, plan, trim
from antiphon.errors import InvalidRequest
from tests.options import fit_limits
from tests.pitch import moved_percent

SPEECH = read_wav((Path(__file__).parents[2] / "audio" / "spk1_snt5.wav").read_bytes())
SAID = trim(SPEECH.data, SPEECH.rate_hz)
SAID_MS = len(SAID) / 2 / SPEECH.rate_hz * 1000
LIMITS = fit_limits()
BOTH_WAYS = fit_limits(only_speed_up=False)
SECONDS = st.integers(1, 60_000)


def quiet(duration_ms: float, rate_hz: int = SPEECH.rate_hz) -> bytes:
    return bytes(2 * round(duration_ms * rate_hz / 1000))


def buzz(duration_ms: float, rate_hz: int) -> bytes:
    """A low voice's single vowel."""
    at = np.arange(round(duration_ms * rate_hz / 1000)) / rate_hz
    return (np.sign(np.sin(2 * np.pi * 110 * at)) * 6_000).astype("<i2").tobytes()


# -- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("param", "given_limits"),
    [
        ("success_max", {"success_max": 0.2}),
        ("success_max", {"success_max": 0.3, "partial_max": 0.2}),
        ("success_max", {"success_max": -0.1}),
        ("success_max", {"success_max": math.nan}),
        ("partial_max", {"partial_max": math.inf}),
        ("slowest", {"slowest": 0.0}),
        ("slowest", {"slowest": 1.1}),
        ("fastest", {"fastest": 0.9}),
        ("fastest", {"fastest": math.nan}),
        ("voice_fastest", {"voice_fastest": 0.99}),
    ],
)
def test_limits_that_contradict_themselves_name_the_field(param: str, given_limits: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        fit_limits(**given_limits)
    assert caught.value.param == param


# -- how much quicker -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw_ms", "limits", "speed", "clamped"),
    [
        (6_000, LIMITS, 1.0, False),
        (6_059, LIMITS, 1.0, False),
        (6_060, LIMITS, 1.01, False),
        (5_941, BOTH_WAYS, 1.0, False),
        (5_940, BOTH_WAYS, 0.99, False),
        (9_000, LIMITS, 1.5, False),
        (12_000, LIMITS, 2.0, False),
        (12_001, LIMITS, 2.0, True),
        (90_000, LIMITS, 2.0, True),
        (3_000, LIMITS, 1.0, False),
        (3_000, BOTH_WAYS, 0.5, False),
        (2_999, BOTH_WAYS, 0.5, True),
        (9_000, fit_limits(fastest=1.2), 1.2, True),
        (0, LIMITS, 1.0, False),
    ],
)
def test_the_speed_for_six_seconds(raw_ms: float, limits: Limits, speed: float, clamped: bool) -> None:
    planned = plan(raw_ms, 6_000, limits)
    assert (planned.speed, planned.clamped) == (pytest.approx(speed, abs=1e-12), clamped)


def test_for_no_time_at_all_there_is_no_speed() -> None:
    assert plan(500, 0, LIMITS).speed == 1.0


@given(SECONDS, SECONDS, st.booleans())
def test_the_speed_is_within_its_limits_and_says_when_they_were_too_narrow(raw: int, target: int, up: bool) -> None:
    limits = fit_limits(only_speed_up=up)
    planned = plan(raw, target, limits)
    assert (1.0 if up else 0.5) <= planned.speed <= 2.0
    ratio = Fraction(raw, target)
    if planned.clamped:
        assert ratio > 2 or (not up and ratio < Fraction(1, 2))
    elif planned.speed != 1.0:
        assert planned.speed == pytest.approx(float(ratio))
    else:
        assert abs(ratio - 1) <= Fraction("0.01") or (up and ratio < 1)


# -- how well it came out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("final_ms", "status", "percent"),
    [
        (6_000, DurationStatus.SUCCESS, 0.0),
        (6_600, DurationStatus.SUCCESS, 10.0),
        (5_400, DurationStatus.SUCCESS, 10.0),
        (6_600.01, DurationStatus.PARTIAL, 10.0001666),
        (5_399.99, DurationStatus.PARTIAL, 10.0001666),
        (7_200, DurationStatus.PARTIAL, 20.0),
        (4_800, DurationStatus.PARTIAL, 20.0),
        (7_200.01, DurationStatus.FAILED, 20.0001666),
        (0, DurationStatus.FAILED, 100.0),
    ],
)
def test_the_borders_belong_to_the_better_side(final_ms: float, status: DurationStatus, percent: float) -> None:
    judged = judge(6_000, final_ms, LIMITS)
    assert (judged.status, judged.variance_percent) == (status, pytest.approx(percent, abs=1e-6))


def test_of_no_time_only_nothing_is_a_success() -> None:
    assert judge(0, 0, LIMITS).status is DurationStatus.SUCCESS
    spoken = judge(0, 1, LIMITS)
    assert (spoken.status, spoken.variance_percent) == (DurationStatus.FAILED, 100.0)


@given(st.integers(1, 6_000), st.integers(1, 98), st.integers(1, 99), st.booleans())
def test_no_float_crosses_a_border(tens: int, first: int, more: int, longer: bool) -> None:
    """Exactly ``first`` per cent, written as a float of thousandths of milliseconds, with limits written as floats."""
    second = min(99, first + more)
    assume(first < second)
    limits = fit_limits(success_max=first / 100, partial_max=second / 100)
    original_us = tens * 100
    sign = 1 if longer else -1
    for percent, at, beyond in (
        (first, DurationStatus.SUCCESS, DurationStatus.PARTIAL),
        (second, DurationStatus.PARTIAL, DurationStatus.FAILED),
    ):
        final_us = original_us + sign * tens * percent
        judged = judge(original_us / 1000, final_us / 1000, limits)
        assert (judged.status, judged.variance_percent) == (at, float(percent))
        assert judge(original_us / 1000, (final_us + sign) / 1000, limits).status in {beyond, DurationStatus.FAILED}


@given(
    SECONDS, st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]), st.integers(0, 400_000)
)
def test_lengths_counted_in_samples_are_judged_as_fractions_would(original: int, rate_hz: int, samples: int) -> None:
    final_ms = Fraction(samples * 1000, rate_hz)
    variance = abs(final_ms - original) / original
    wanted = "success" if variance <= Fraction(1, 10) else "partial" if variance <= Fraction(1, 5) else "failed"
    assert judge(original, samples * 1000 / rate_hz, LIMITS).status == wanted


# -- into the time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.2, 1.5, 2.0])
def test_speech_gets_exactly_the_time_of_the_original_and_keeps_its_pitch(speed: float) -> None:
    target_ms = SAID_MS / speed
    fitted = fit(SPEECH.data, SPEECH.rate_hz, target_ms, BOTH_WAYS)
    assert len(fitted.mono) == 2 * round(target_ms * SPEECH.rate_hz / 1000)
    assert fitted.duration_ms == pytest.approx(target_ms, abs=0.04)
    told = fitted.metadata
    assert (told.original_duration_ms, told.raw_duration_ms) == (round(target_ms), round(SAID_MS))
    assert told.final_duration_ms == pytest.approx(target_ms, abs=0.6)
    assert told.duration_variance_percent < 0.01
    assert (told.speed_ratio, told.speed_clamped) == (pytest.approx(speed, rel=1e-4), False)
    assert moved_percent(SAID, fitted.mono, SPEECH.rate_hz) < 2


def test_short_speech_is_followed_by_silence_and_not_touched() -> None:
    fitted = fit(SPEECH.data, SPEECH.rate_hz, 6_000, LIMITS)
    assert fitted.mono == SAID + bytes(2 * 6 * SPEECH.rate_hz - len(SAID))
    assert (fitted.metadata.speed_ratio, fitted.metadata.duration_variance_percent) == (1.0, 0.0)


def test_speech_that_is_much_too_long_is_never_cut_off() -> None:
    target_ms = SAID_MS / 2.3
    fitted = fit(SPEECH.data, SPEECH.rate_hz, target_ms, LIMITS)
    assert fitted.duration_ms == pytest.approx(SAID_MS / 2, abs=0.1)
    assert (fitted.metadata.speed_ratio, fitted.metadata.speed_clamped) == (2.0, True)
    assert judge(target_ms, fitted.duration_ms, LIMITS).status is DurationStatus.PARTIAL
    assert fitted.metadata.duration_variance_percent == pytest.approx(15, abs=0.1)


def test_a_clamp_that_lands_near_enough_is_a_success() -> None:
    target_ms = SAID_MS / 2.1
    fitted = fit(SPEECH.data, SPEECH.rate_hz, target_ms, LIMITS)
    assert fitted.metadata.speed_clamped
    assert judge(target_ms, fitted.duration_ms, LIMITS).status is DurationStatus.SUCCESS


def test_silence_around_speech_is_not_stretched_with_it() -> None:
    sound = buzz(1_000, 24_000)
    fitted = fit(quiet(300, 24_000) + sound + quiet(500, 24_000), 24_000, 1_060, LIMITS)
    assert fitted.mono == quiet(30, 24_000) + sound + quiet(30, 24_000)
    assert (fitted.metadata.raw_duration_ms, fitted.metadata.speed_ratio) == (1_060, 1.0)


@pytest.mark.parametrize("lead_ms", [0, 20, 30, 200])
def test_thirty_milliseconds_of_silence_are_kept(lead_ms: int) -> None:
    sound = buzz(400, 24_000)
    left = trim(quiet(lead_ms, 24_000) + sound + quiet(200, 24_000), 24_000)
    assert left == quiet(min(30, lead_ms), 24_000) + sound + quiet(30, 24_000)


def test_where_nothing_is_said_there_is_silence() -> None:
    for mono in (b"", quiet(800), np.array([1, -1] * 4_000, "<i2").tobytes()):
        fitted = fit(mono, SPEECH.rate_hz, 1_000, LIMITS)
        assert fitted.mono == quiet(1_000)
        assert (fitted.metadata.raw_duration_ms, fitted.metadata.speed_ratio) == (0, 1.0)


def test_for_no_time_speech_stays_as_it_is_and_fails() -> None:
    fitted = fit(SPEECH.data, SPEECH.rate_hz, 0, LIMITS)
    assert fitted.mono == SAID
    assert judge(0, fitted.duration_ms, LIMITS).status is DurationStatus.FAILED


@given(
    st.integers(10, 400),
    st.integers(10, 400),
    st.sampled_from([8_000, 22_050, 24_000]),
    st.booleans(),
)
def test_whatever_the_lengths_the_samples_are_those_of_the_plan(raw: int, target: int, rate_hz: int, up: bool) -> None:
    limits = fit_limits(only_speed_up=up)
    sound = buzz(raw, rate_hz)
    fitted = fit(sound, rate_hz, target, limits)
    wanted = round(target * rate_hz / 1000)
    told, samples = fitted.metadata, len(fitted.mono) // 2
    assert fitted.duration_ms == samples * 1000 / rate_hz
    assert samples >= wanted
    if told.speed_clamped:
        assert samples == max(wanted, round(len(sound) / 2 / told.speed_ratio))
    elif told.speed_ratio == 1.0:
        assert samples == max(wanted, len(sound) // 2)
        assert samples - wanted <= wanted / 100
    else:
        assert samples == wanted


# -- how long a voice takes -----------------------------------------------------------------------------------------

TEXT = "Nos quedan unos tres minutos en el reloj"


def test_a_text_that_has_the_time_is_spoken_at_the_voices_own_pace() -> None:
    tempo = Tempo(LIMITS)
    assert tempo.speed_for("v", TEXT, 6_000) == 1.0
    assert tempo.speed_for("v", TEXT, 0) == 1.0


def test_a_text_that_would_be_too_long_is_spoken_quicker_up_to_a_limit() -> None:
    assert 1.05 < Tempo(LIMITS).speed_for("v", TEXT, 1_900) < 1.3
    assert Tempo(LIMITS).speed_for("v", TEXT, 500) == 1.3
    assert Tempo(fit_limits(voice_fastest=1.1)).speed_for("v", TEXT, 500) == 1.1


@pytest.mark.parametrize(
    ("text", "measured_ms"),
    [
        ("Así que, compatriotas, no se pregunten qué puede hacer su país por ustedes.", 4_300),
        ("Havia 25.000 pessoas no estádio em 1998, e terminou 3 a 2.", 6_020),
        ("We have about three minutes left on the clock.", 2_120),
        ("他从左路突破并提前传中,但守门员反应很快。", 5_440),
    ],
)
def test_the_first_guess_is_within_a_quarter_of_what_espeak_takes(text: str, measured_ms: int) -> None:
    tempo = Tempo(fit_limits(voice_fastest=100))
    assert tempo.speed_for("v", text, 100) * 100 == pytest.approx(measured_ms, rel=0.25)


def test_a_voice_is_learned_and_only_that_one() -> None:
    tempo = Tempo(LIMITS)
    before = tempo.speed_for("slow", TEXT, 2_000)
    for _ in range(12):
        speed = tempo.speed_for("slow", TEXT, 2_400)
        tempo.learn("slow", TEXT, speed, 2_640 / speed)
    assert tempo.speed_for("slow", TEXT, 2_400) == pytest.approx(1.1, abs=0.01)
    assert tempo.speed_for("other", TEXT, 2_000) == before


def test_what_tells_nothing_is_not_learned() -> None:
    tempo = Tempo(LIMITS)
    before = tempo.speed_for("v", TEXT, 2_000)
    tempo.learn("v", "Sí.", 1.0, 9_000)
    tempo.learn("v", TEXT, 1.0, 0)
    assert tempo.speed_for("v", TEXT, 2_000) == before


def test_voices_that_nobody_uses_are_forgotten() -> None:
    tempo = Tempo(LIMITS)
    unknown = tempo.speed_for("new", TEXT, 2_100)
    tempo.learn("kept", TEXT, 1.0, 9_000)
    tempo.learn("left", TEXT, 1.0, 9_000)
    for number in range(300):
        tempo.learn(f"voice {number}", TEXT, 1.0, 2_000)
        tempo.learn("kept", TEXT, 1.0, 9_000)
    assert tempo.speed_for("kept", TEXT, 2_100) == 1.3
    assert tempo.speed_for("left", TEXT, 2_100) == unknown


@given(st.text(max_size=40), st.floats(0, 60_000), st.floats(1, 1.3), st.floats(0, 60_000))
def test_the_speed_is_always_one_that_a_voice_can_be_told(text: str, target: float, speed: float, raw: float) -> None:
    tempo = Tempo(LIMITS)
    tempo.learn("v", text, speed, raw)
    assert 1.0 <= tempo.speed_for("v", text, target) <= 1.3
