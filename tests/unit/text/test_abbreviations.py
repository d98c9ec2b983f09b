"""Abbreviations as `split` applies them: each list decides what must follow for a sentence to end."""

from __future__ import annotations

import pytest

from antiphon.text.abbreviations import BEFORE_NUMBERS, GERMAN_MONTHS, INSIDE_SENTENCES, OPENERS, PERHAPS_LAST
from antiphon.text.sentences import split

LISTS = {
    "inside sentences": INSIDE_SENTENCES,
    "before numbers": BEFORE_NUMBERS,
    "perhaps last": PERHAPS_LAST,
    "openers": OPENERS,
    "German months": GERMAN_MONTHS,
}


@pytest.mark.parametrize("words", LISTS.values(), ids=LISTS)
def test_words_are_in_lower_case_and_without_a_last_stop(words: frozenset[str]) -> None:
    assert words
    assert [word for word in words if word != word.lower() or word.endswith(".")] == []


def test_a_word_is_of_one_kind_only() -> None:
    assert not INSIDE_SENTENCES & BEFORE_NUMBERS
    assert not INSIDE_SENTENCES & PERHAPS_LAST
    assert not BEFORE_NUMBERS & PERHAPS_LAST


@pytest.mark.parametrize("word", sorted(INSIDE_SENTENCES))
def test_no_sentence_ends_inside(word: str) -> None:
    assert split(f"This is {word}. The next.") == [f"This is {word}. The next."]


@pytest.mark.parametrize("word", sorted(BEFORE_NUMBERS))
def test_a_sentence_ends_unless_a_number_follows(word: str) -> None:
    assert split(f"This is {word}. 5 of it.") == [f"This is {word}. 5 of it."]
    assert len(split(f"This is {word}. The next.")) == 1 + (len(word) > 1)


@pytest.mark.parametrize("word", sorted(PERHAPS_LAST))
def test_a_sentence_ends_if_an_opener_follows(word: str) -> None:
    assert split(f"This is {word}. The next.") == [f"This is {word}.", "The next."]
    assert split(f"This is {word}. Zebra stripes.") == [f"This is {word}. Zebra stripes."]


@pytest.mark.parametrize("word", sorted(OPENERS))
def test_every_opener_begins_a_sentence(word: str) -> None:
    assert split(f"Made by Apple Inc. {word.capitalize()} next.") == [
        "Made by Apple Inc.",
        f"{word.capitalize()} next.",
    ]


@pytest.mark.parametrize("month", sorted(GERMAN_MONTHS))
def test_an_ordinal_before_a_german_month_is_a_date(month: str) -> None:
    assert split(f"Am 3. {month.capitalize()} geht es.") == [f"Am 3. {month.capitalize()} geht es."]
    assert split("Er wurde 3. Danach ging er.") == ["Er wurde 3.", "Danach ging er."]
