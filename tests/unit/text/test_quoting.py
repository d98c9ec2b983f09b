from __future__ import annotations

import pytest

from antiphon.text.quoting import MOST_QUOTED, MOST_TOLD, handle, quoted, shown


@pytest.mark.parametrize("text", ["", "item_1", "é", "x" * MOST_QUOTED])
def test_a_short_text_is_repeated_as_it_is(text: str) -> None:
    assert quoted(text) == f"'{text}'"


@pytest.mark.parametrize("most", [MOST_QUOTED, 7])
def test_of_a_long_text_its_beginning_and_its_end_are_repeated(most: int) -> None:
    told = shown("a" * 500_000 + "b" * 500_000, most)
    half = (most - 1) // 2
    assert told == "a" * half + "…" + "b" * half


def test_half_a_character_is_repeated_as_a_question_mark() -> None:
    assert (quoted("a\ud800b"), handle("\udfff")) == ("'a?b'", "?")


def test_an_id_is_repeated_whole_or_like_any_long_text() -> None:
    assert handle("x" * MOST_TOLD) == "x" * MOST_TOLD
    assert handle("x" * (MOST_TOLD + 1)) == shown("x" * (MOST_TOLD + 1))
