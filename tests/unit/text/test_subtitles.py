from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.subtitles import LINE_COLUMNS, LINES, Cue, readable, srt, vtt
from tests.unit.text.growth import is_linear

FOX = (
    "The quick brown fox jumps over the lazy dog and runs through the forest, "
    "then it stops, looks back and waits for the others to come along."
)
PARK = "今天天气很好。我们去公园玩，然后去吃饭吧！"


def test_a_file_numbers_its_cues_and_tells_the_time() -> None:
    cues = [Cue(0, 1_250, "Hello."), Cue(3_661_042, 3_662_000, "Two\nlines")]
    assert srt(cues) == ("1\n00:00:00,000 --> 00:00:01,250\nHello.\n\n2\n01:01:01,042 --> 01:01:02,000\nTwo\nlines\n")
    assert vtt(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello.\n\n01:01:01.042 --> 01:01:02.000\nTwo\nlines\n"
    )


def test_no_cues_are_an_empty_file() -> None:
    assert (srt([]), vtt([])) == ("", "WEBVTT\n")


@pytest.mark.parametrize("text", ["a --> b\n\n2\n c", "a ---> b\r\n2\nc"])
def test_words_that_look_like_a_cue_stay_words(text: str) -> None:
    assert srt([Cue(-5, 10, text)]) == "1\n00:00:00,000 --> 00:00:00,010\na -> b\n2\nc\n"


def test_a_short_cue_stays_as_it_is() -> None:
    assert readable([Cue(100, 900, " Hello  there. ")]) == [Cue(100, 900, "Hello there.")]


def test_a_cue_of_two_lines_is_wrapped_evenly() -> None:
    (cue,) = readable([Cue(0, 3_000, "one two three four five six seven eight nine ten")])
    assert cue.text == "one two three four five\nsix seven eight nine ten"


def test_a_long_cue_becomes_several_that_share_its_time_by_length() -> None:
    assert readable([Cue(1_000, 7_000, FOX)]) == [
        Cue(1_000, 4_153, "The quick brown fox jumps over the\nlazy dog and runs through the forest,"),
        Cue(4_153, 7_000, "then it stops, looks back and waits\nfor the others to come along."),
    ]


def test_a_script_without_spaces_is_broken_between_signs_but_not_before_a_stop() -> None:
    (cue,) = readable([Cue(0, 6_000, PARK * 2)])
    assert cue.text == f"{PARK}\n{PARK}"


def test_a_word_longer_than_a_line_is_cut() -> None:
    (cue,) = readable([Cue(0, 1_000, "x" * 50)])
    assert cue.text == f"{'x' * 42}\n{'x' * 8}"


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_cue_without_words_is_left_out(text: str) -> None:
    assert readable([Cue(0, 1, text), Cue(1, 2, "a")]) == [Cue(1, 2, "a")]


TEXTS = st.text(st.sampled_from("abc ,.\n今天。ไท"), max_size=400)


@given(TEXTS, st.integers(0, 10**6), st.integers(0, 10**5))
def test_what_is_readable_fits_the_screen_and_loses_no_word_and_no_time(text: str, start_ms: int, length: int) -> None:
    cues = readable([Cue(start_ms, start_ms + length, text)])
    lines = [cue.text.split("\n") for cue in cues]
    assert all(1 <= len(one) <= LINES for one in lines)
    assert all(0 < len(line) <= LINE_COLUMNS and line == line.strip() for one in lines for line in one)
    assert "".join("".join(one) for one in lines).replace(" ", "") == "".join(text.split())
    assert all(before.end_ms == after.start_ms for before, after in pairwise(cues))
    if cues:
        assert (cues[0].start_ms, cues[-1].end_ms) == (start_ms, start_ms + length)
        assert all(cue.start_ms <= cue.end_ms for cue in cues)


@pytest.mark.parametrize("mark", ["-", "-->"])
def test_beginnings_of_arrows_take_linear_time(mark: str) -> None:
    def written(text: str) -> object:
        cues = [Cue(0, 1000, text)]
        return srt(cues), vtt(cues)

    assert is_linear(written, mark)


def test_a_text_without_spaces_is_wrapped_in_linear_time() -> None:
    assert is_linear(lambda text: readable([Cue(0, 1000, text)]), "日")
