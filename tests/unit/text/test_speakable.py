from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.speakable import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and _soft_ and `code`.", "Bold and soft and code."),
        ("# A title", "A title"),
        ("- a point", "a point"),
        ("> a quote", "a quote"),
        ("See [the page](https://example.com/x) now.", "See the page now."),
        ("Good 😀 morning! 🎉", "Good morning!"),
        ("3 * 4 = 12 and snake_case", "3 * 4 = 12 and snake_case"),
        ("-5 °C", "-5 °C"),
        ("a\x00b\x07c\ud800d\ufeff", "a b c d"),
        ("| one | two |", "one two"),
        ("It's 10:30.", "It's 10:30."),
        ("नमस्ते क्\u200dष", "नमस्ते क्\u200dष"),
    ],
)
def test_signs_of_layout_are_not_said(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize("text", ["", "  ", "😀", "👩‍👩‍👧", "...", "---", "\x00", "**", "¿?", "❤️"])
def test_without_a_letter_or_a_digit_there_is_nothing_to_say(text: str) -> None:
    assert speakable(text) == ""


@given(st.text(max_size=60))
def test_what_is_said_can_be_encoded_and_is_no_longer_than_the_text(text: str) -> None:
    said = speakable(text)
    assert len(said) <= len(text)
    said.encode("utf-8")
    assert not any(sign in said for sign in "\x00\n\t")
