"""Numbers as they are spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.number_words import spell_cardinal, spell_numbers, spell_ordinal, spell_year
from tests.unit.text.growth import is_linear


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (105, "one hundred five"),
        (1_000, "one thousand"),
        (12_345, "twelve thousand three hundred forty five"),
        (2_000_000_001, "two billion one"),
    ],
)
def test_a_cardinal_is_written_out(number: int, words: str) -> None:
    assert spell_cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (8, "eighth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty first"),
        (100, "one hundredth"),
    ],
)
def test_an_ordinal_is_written_out(number: int, words: str) -> None:
    assert spell_ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"), [(1905, "nineteen oh five"), (1961, "nineteen sixty one"), (1800, "eighteen hundred")]
)
def test_a_year_is_spoken_in_pairs(number: int, words: str) -> None:
    assert spell_year(number) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("on the 21st of May", "on the twenty first of May"),
        ("3.14 is pi", "three point one four is pi"),
        ("1,250 people", "one thousand two hundred fifty people"),
        ("in 1961", "in nineteen sixty one"),
        ("agent 007", "agent zero zero seven"),
        ("12345678901234567", "one two three four five six seven eight nine zero one two three four five six seven"),
        ("no numbers", "no numbers"),
    ],
)
def test_numbers_in_a_text_are_written_out(text: str, words: str) -> None:
    assert spell_numbers(text).split() == words.split()


@given(st.integers(0, 10**15 - 1))
def test_different_numbers_have_different_words(number: int) -> None:
    assert spell_cardinal(number) != spell_cardinal((number + 1) % 10**15)


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(spell_numbers(text), str)


@pytest.mark.parametrize("mark", ["1", "1,"])
def test_long_numbers_take_linear_time(mark: str) -> None:
    assert is_linear(spell_numbers, mark)
