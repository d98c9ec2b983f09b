"""Going on behind what was said: nothing twice, nothing lost, and the right space between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.overlap import Seam

SAID = "The capital of France is Paris. It lies on the Seine, and"
MORE = " it has two million people."


def behind(said: str, more: str, size: int = 1000) -> str:
    """Join ``more`` to ``said``, in pieces of so many characters."""
    seam = Seam(said)
    return said + "".join(seam.feed(more[at : at + size]) for at in range(0, len(more), size)) + seam.flush()


REPEATED = {
    "nothing": MORE,
    "nothing, without a space": MORE.lstrip(),
    "the last word": " and it has two million people.",
    "the last word with a capital": "And it has two million people.",
    "the last words": "lies on the Seine, and it has two million people.",
    "everything": SAID + MORE,
    "everything with other signs": SAID.replace("Paris.", "Paris!").replace("Seine,", "Seine") + MORE,
    "an ellipsis": "... it has two million people.",
    "an ellipsis and the last word": "…and it has two million people.",
    "a line of its own": "\n\nand it has two million people.",
}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("more", REPEATED.values(), ids=REPEATED)
def test_what_is_said_once_more_is_left_out(more: str, size: int) -> None:
    assert behind(SAID, more, size) == SAID + MORE


SEAMS = {
    ("It is noon.", "The sun is high."): "It is noon. The sun is high.",
    ("It is noon. ", " The sun is high."): "It is noon. The sun is high.",
    ("It is noon", ", and hot."): "It is noon, and hot.",
    ("It is noon", "."): "It is noon.",
    ("It is noon.", "It is noon. The sun is high."): "It is noon. The sun is high.",
    ("It is noon. ", "noon. The sun is high."): "It is noon. The sun is high.",
    ("The capi", "tal of France"): "The capi tal of France",  # told to begin with its last word, it would not
    ("The capi", "capital of France"): "The capital of France",
    ("The capi", "The capital of France"): "The capital of France",
    ("This is a", "and more"): "This is a and more",
    ("This is a", "a test"): "This is a test",
    ("He likes it.", "It is good."): "He likes it. It is good.",
    ("Yes.", "Yes, it is."): "Yes. Yes, it is.",
    ("One, two,", "two, three"): "One, two, three",
    ("the best of the", "The world"): "the best of the world",
    ("She said (", "quietly) yes"): "She said (quietly) yes",
    ("- one\n", "- two"): "- one\n- two",
    ("- one", "\n- two"): "- one\n- two",
    ("no, no", "no, no, thanks"): "no, no, thanks",
    ("今日は天気", "天気がいいです。"): "今日は天気がいいです。",
    ("今日は天気が", "いいです。"): "今日は天気がいいです。",
    ("今日は。", "今日は。明日は"): "今日は。明日は",
    ("こ", "ここです"): "こここです",  # many words have one syllable twice
    ("😀", "Good."): "😀 Good.",
    ("It is noon", ""): "It is noon",
    ("It is noon.", "It is noon."): "It is noon.",
    ("It is noon.", "It is"): "It is noon. It is",
}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(("said", "more"), SEAMS)
def test_the_seam_has_the_space_and_the_signs_that_belong_there(said: str, more: str, size: int) -> None:
    assert behind(said, more, size) == SEAMS[said, more]


def test_the_whole_of_a_long_answer_is_found_though_it_begins_far_away() -> None:
    said = " ".join(f"word{number}" for number in range(2000))
    assert behind(said, f"{said} and more", size=7) == f"{said} and more"


def test_what_cannot_be_an_overlap_any_more_is_given_out_at_once() -> None:
    seam = Seam(SAID)
    assert seam.feed("two ") == " two "
    assert seam.feed("million") == "million"


WORDS = st.lists(st.sampled_from(["it", "is", "noon", "and", "then", "the", "sun", "rises"]), min_size=1, max_size=12)


@given(WORDS, WORDS, st.integers(1, 9), st.integers(0, 12))
def test_whatever_of_the_end_is_said_again_no_new_word_is_lost(
    said: list[str], new: list[str], size: int, again: int
) -> None:
    marked = [f"{word}{number}" for number, word in enumerate([*said, *new])]
    before, after = marked[: len(said)], marked[len(said) :]
    more = [*before[len(before) - again :], *after] if again <= len(before) else after
    assert behind(" ".join(before), " ".join(more), size).split() == [*before, *after]


@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 7))
def test_how_it_comes_in_pieces_changes_nothing(said: str, more: str, size: int) -> None:
    assert behind(said, more, size).split() == behind(said, more).split()
