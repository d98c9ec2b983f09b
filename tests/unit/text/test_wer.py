"""Word errors are counted on what was said, not on how it is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.wer import WordErrors, normalise, total, word_errors
from tests.unit.text.growth import is_linear

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=8)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("And so, my fellow Americans: ask not!", "and so my fellow americans ask not"),
        ("Mr. John Dashwood", "mister john dashwood"),
        ("cold-hearted — rather selfish…", "cold hearted rather selfish"),
        ("It’s one o'clock", "its one oclock"),
        ("21 people", "twenty-one people"),
        ("105", "one hundred and five"),
        ("in 1961", "in nineteen sixty one"),
        ("50% & more", "fifty percent and more"),
        ("$5 or £1,000", "five dollars or one thousand pounds"),
        ("the 3rd", "the third"),
        ("“Margaret,” said Mr. Hale", "margaret said mister hale"),
        ("snake_case", "snake case"),
    ],
)
def test_spelling_that_is_not_heard_does_not_count(written: str, spoken: str) -> None:
    assert normalise(written) == normalise(spoken)
    assert word_errors(spoken, written).errors == 0


def test_the_word_and_counts_outside_of_numbers() -> None:
    assert normalise("one and all") == ["one", "and", "all"]
    assert normalise("sixty and five") == ["sixty", "five"]


@pytest.mark.parametrize(
    ("hypothesis", "errors"),
    [("a b c d", 0), ("a x c d", 1), ("a c d", 1), ("a b b c d", 1), ("", 4), ("x y z w v", 5), ("b c d a", 2)],
)
def test_replaced_missing_and_added_words_are_counted(hypothesis: str, errors: int) -> None:
    counted = word_errors("a b c d", hypothesis)
    assert counted == WordErrors(errors, 4)
    assert counted.rate == errors / 4


def test_against_silence_any_word_is_wrong() -> None:
    assert word_errors("", "").rate == 0.0
    assert word_errors("", "thank you").rate == 1.0


def test_totals_weigh_texts_by_their_length() -> None:
    summed = total([WordErrors(1, 2), WordErrors(0, 8)])
    assert summed.rate == 0.1


@given(WORDS, WORDS)
def test_the_distance_is_symmetric_and_bounded(one: list[str], other: list[str]) -> None:
    there, back = word_errors(" ".join(one), " ".join(other)), word_errors(" ".join(other), " ".join(one))
    assert there.errors == back.errors
    assert abs(len(one) - len(other)) <= there.errors <= max(len(one), len(other))


def test_amounts_of_money_take_linear_time() -> None:
    assert is_linear(normalise, "$1")
