"""Which stretches are decoded, and which texts are believed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.providers.whisper.voice import VoiceScores
from antiphon.providers.whisper.window import (
    LONGEST_S,
    WINDOW_S,
    Belief,
    Stretch,
    cut_at_pauses,
    find_speech,
    halves,
    is_certain_speech,
    is_doubled,
    is_hole,
    is_looped,
    is_noise,
    is_sparse,
    next_window,
    remaining,
)

PROBABILITIES = st.lists(st.floats(0, 1), max_size=3_000)


def windows(*parts: tuple[float, float]) -> list[float]:
    """Return probabilities by (seconds, probability)."""
    return [probability for seconds, probability in parts for _ in range(round(seconds / WINDOW_S))]


def heard(*parts: tuple[float, float]) -> VoiceScores:
    """Return what sounds the same in whatever way it is heard."""
    return alike(windows(*parts))


def alike(probabilities: list[float]) -> VoiceScores:
    """Return a clip that has the same scores in whatever way it is heard."""
    return VoiceScores(probabilities, lambda: (probabilities, probabilities))


def test_nothing_is_decoded_where_nobody_speaks() -> None:
    assert find_speech(alike([]), 0.0) == []
    assert find_speech(heard((10, 0.05)), 10.0) == []
    assert find_speech(heard((5, 0.2), (5, 0.25)), 10.0) == []


def test_a_sound_that_is_a_voice_in_one_way_alone_is_none() -> None:
    voice, none = windows((3, 0.0), (1, 0.9)), windows((3, 0.0), (1, 0.1))
    assert find_speech(VoiceScores(voice, lambda: (none, none)), 4.0) == []
    assert find_speech(VoiceScores(voice, lambda: (none, voice)), 4.0) != []
    assert find_speech(VoiceScores(voice, lambda: (voice, none)), 4.0) != []


def test_silence_around_speech_is_cut_off_but_for_a_margin() -> None:
    [stretch] = find_speech(heard((5, 0.0), (2, 0.9), (5, 0.0)), 12.0)
    assert stretch.start_s == pytest.approx(4.6, abs=0.05)
    assert stretch.end_s == pytest.approx(7.4, abs=0.05)


def test_pauses_lie_inside_and_long_silence_between() -> None:
    stretches = find_speech(heard((2, 0.9), (1.5, 0.0), (2, 0.9), (8, 0.0), (1, 0.9)), 14.5)
    assert len(stretches) == 2
    assert stretches[0].end_s < 6.0
    assert stretches[1].start_s > 13.0


@given(PROBABILITIES)
def test_stretches_are_in_order_inside_the_clip_and_hold_all_speech(probabilities: list[float]) -> None:
    duration_s = len(probabilities) * WINDOW_S
    stretches = find_speech(alike(probabilities), duration_s)
    edges = [edge for stretch in stretches for edge in (stretch.start_s, stretch.end_s)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= duration_s for edge in edges)
    for place, probability in enumerate(probabilities):
        at = (place + 0.5) * WINDOW_S
        if probability >= 0.75:
            assert any(stretch.start_s <= at <= stretch.end_s for stretch in stretches)


def test_a_long_stretch_is_cut_at_its_quietest_place() -> None:
    probabilities = windows((18, 0.9), (0.4, 0.1), (30, 0.9))
    window = next_window(Stretch(0.0, 48.4), probabilities)
    assert window.end_s == pytest.approx(18.2, abs=0.2)


@given(st.floats(0, 1), st.lists(st.floats(0, 40), min_size=1, max_size=40))
def test_any_decoder_gets_through_any_clip(probability: float, reached: list[float]) -> None:
    probabilities = windows((100, max(0.8, probability)))
    steps, left = 0, find_speech(alike(probabilities), 100.0)[0]
    stretch: Stretch | None = left
    while stretch:
        window = next_window(stretch, probabilities)
        assert 0 < window.duration_s <= LONGEST_S
        assert window.start_s == stretch.start_s
        after = remaining(stretch, window, window.start_s + reached[steps % len(reached)], probabilities)
        assert after is None or after.start_s >= stretch.start_s + 1.0 - 1e-9
        assert after is None or after.end_s == stretch.end_s
        steps, stretch = steps + 1, after
    assert steps <= 101


def test_speech_that_the_decoder_left_is_decoded_again() -> None:
    probabilities = windows((20, 0.9))
    whole = Stretch(0.0, 20.0)
    assert remaining(whole, whole, 8.0, probabilities) == Stretch(8.0, 20.0)
    assert remaining(whole, whole, 19.5, probabilities) is None
    assert remaining(whole, whole, 8.0, windows((8, 0.9), (12, 0.0))) is None


def test_speech_that_was_left_early_in_a_window_is_decoded_again_though_more_windows_follow() -> None:
    whole, window = Stretch(0.0, 40.0), Stretch(0.0, 20.0)
    assert remaining(whole, window, 7.0, windows((40, 0.9))) == Stretch(7.0, 40.0)
    assert remaining(whole, window, 8.0, windows((8, 0.9), (12, 0.0), (20, 0.9))) == Stretch(20.0, 40.0)


@pytest.mark.parametrize(
    ("probabilities", "result"),
    [
        pytest.param(windows((1, 0.0), (0.3, 0.9), (1, 0.0)), True, id="a word"),
        pytest.param(windows((1, 0.9), (1.5, 0.05), (1, 0.9)), True, id="two words and a pause"),
        pytest.param(windows((1, 0.0), (0.064, 0.9), (1, 0.0)), False, id="a click"),
        pytest.param(windows((2, 0.3), (0.4, 0.7), (2, 0.3)), False, id="babble"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_the_detector_is_sure_of_voices_only(probabilities: list[float], result: bool) -> None:
    assert is_certain_speech(probabilities, Stretch(0.0, len(probabilities) * WINDOW_S)) is result


@pytest.mark.parametrize(
    ("logprob", "no_speech", "certain", "result"),
    [
        (-0.25, 0.02, True, False),
        (-0.25, 0.02, False, False),
        (-0.25, 0.55, False, True),
        (-1.0, 0.2, True, False),
        (-1.0, 0.2, False, True),
        (-1.9, 0.3, True, True),
        (-1.3, 0.92, True, True),
        (-1.0, 0.7, True, False),
    ],
)
def test_text_that_was_read_into_noise(logprob: float, no_speech: float, certain: bool, result: bool) -> None:
    assert is_noise(Belief(logprob, no_speech), certain_speech=certain) is result


@pytest.mark.parametrize(
    ("text", "duration_s", "result"),
    [
        ("And so my fellow Americans, ask not what your country can do for you.", 7.0, False),
        ("no no no", 1.0, False),
        ("Thank you.", 0.3, False),
        ("", 1.0, False),
        ("Hold on, hold fast, hold out. " * 6, 60.0, True),
        ("the the the the", 4.0, True),
        ("go out and go out and go out and go out and", 5.0, True),
        ("This is far more text than anybody could speak in such a short time, is it not?", 1.0, True),
        ("O" * 300, 30.0, True),
    ],
)
def test_loops_are_recognised(text: str, duration_s: float, result: bool) -> None:
    assert is_looped(text, duration_s) is result


def test_a_stretch_is_cut_in_the_middle_of_long_pauses_between_parts_of_some_length() -> None:
    def cuts(*parts: tuple[float, float]) -> list[float]:
        probabilities = windows(*parts)
        stretch = Stretch(0.0, len(probabilities) * WINDOW_S)
        cut = cut_at_pauses(stretch, probabilities)
        assert (cut[0].start_s, cut[-1].end_s) == (stretch.start_s, stretch.end_s)
        assert all(one.end_s == other.start_s for one, other in pairwise(cut))
        return [round(part.end_s, 1) for part in cut[:-1]]

    assert cuts((4.0, 0.9), (1.2, 0.01), (4.0, 0.9), (1.2, 0.01), (4.0, 0.9)) == [4.6, 9.8]
    assert cuts((4.0, 0.9), (0.8, 0.01), (4.0, 0.9)) == []
    assert cuts((1.0, 0.9), (1.2, 0.01), (4.0, 0.9), (1.2, 0.01), (1.0, 0.9)) == []


def test_half_a_second_of_speech_between_two_segments_is_a_hole() -> None:
    probabilities = [0.9] * 100 + [0.1] * 100
    assert is_hole(probabilities, Stretch(2.5, 5.0))
    assert not is_hole(probabilities, Stretch(2.9, 5.0))
    assert not is_hole(probabilities, Stretch(3.0, 3.0))


def test_a_few_words_are_too_little_for_many_seconds_of_speech() -> None:
    probabilities = windows((4.0, 0.9), (4.0, 0.1), (3.0, 0.9))
    assert is_sparse("Et c'est la dictée numéro 1.", probabilities, Stretch(0.0, 11.0))
    assert not is_sparse("Et c'est la dictée numéro 1.", probabilities, Stretch(0.0, 5.0))
    assert not is_sparse("前後の言葉を聞いてください", probabilities, Stretch(0.0, 11.0))
    assert not is_sparse("Hm.", probabilities, Stretch(4.5, 11.0)), "somebody may hum for three seconds"


def test_halves_lie_at_the_pause_that_is_nearest_the_middle() -> None:
    probabilities = windows((2.0, 0.9), (2.0, 0.1), (3.0, 0.9), (0.4, 0.1), (6.0, 0.9), (0.2, 0.1), (0.5, 0.9))
    window = Stretch(0.0, len(probabilities) * WINDOW_S)
    first, second = halves(window, probabilities)
    assert first.end_s == second.start_s == pytest.approx(7.2, abs=0.1)
    assert (first.start_s, second.end_s) == (window.start_s, window.end_s)
    assert halves(Stretch(7.5, window.end_s), probabilities) == []


def test_people_do_say_a_word_four_times() -> None:
    assert not is_looped("No, no, no, no.", 2.0, count_repeats=False)


@pytest.mark.parametrize(
    "text", ["No. No.", "yes yes yes", "Thank you. Thank you.", "7 7", "はい はい", "No no no no no"]
)
def test_a_phrase_that_is_said_again_and_nothing_else_is_doubled(text: str) -> None:
    assert is_doubled(text)


@pytest.mark.parametrize(
    "text", ["", "...", "No.", "no, no thanks", "Thank you. Thank", "twenty twenty one", "so so la"]
)
def test_other_repetitions_are_not(text: str) -> None:
    assert not is_doubled(text)
