from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.speakable import speakable, speech_text, spell_leagues
from tests.unit.text.growth import is_linear


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


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Doctor Ruiz won 15 to 12"),
        ("es-MX", "Dr. Ruiz won 15 a 12"),
        ("pt", "Dr. Ruiz won 15 a 12"),
        ("it", "Dr. Ruiz won 15 a 12"),
        ("fr", "Dr. Ruiz won 15 à 12"),
        ("DE", "Dr. Ruiz won 15 zu 12"),
        ("zh", "Dr. Ruiz won 15-12"),
    ],
)
def test_titles_are_english_and_scores_are_said_in_the_language(language: str, said: str) -> None:
    assert speech_text("**Dr. Ruiz** won 15–12 🎉", language) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("“Yes”, it’s «fine»…", '"Yes", it\'s "fine"...'),
        ("wait—what", "wait - what"),
        ("Mr. Lee Jr., Mrs. Day and Gen. Fox", "Mister Lee Junior, Missus Day and General Fox"),
        ("Gen Z has a rep. Dr. who", "Gen Z has a rep. Dr. who"),
        ("the NBA on 2019-2020, 3-2-1, 555-1234, 1-2.5", "the N B A on 2019-2020, 3-2-1, 555-1234, 1-2.5"),
        ("up 10-15%, 3-2.", "up 10 to 15%, 3 to 2."),
        ("—", ""),
        ("# - 😀 * hello", "hello"),
        ("[![a picture](x.png)](https://example.com) here", "a picture here"),
    ],
)
def test_marks_titles_and_scores_are_written_for_a_voice(written: str, said: str) -> None:
    assert speech_text(written, "en") == said


PIECES = st.sampled_from(
    ["Dr.", "Mrs.", "Jr.", "Ana", "15", "-", "12", "–", "—", "…", "“", "NFL", "*", "#", "😀", " ", " ", "[", "](x)"]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30)


@given(TEXTS, st.sampled_from(["en", "es", "zh"]))
def test_what_a_voice_can_read_stays_as_it_is(text: str, language: str) -> None:
    said = speech_text(text, language)
    assert speech_text(said, language) == said
    assert len(said) <= 4 * len(text)


@given(st.lists(st.sampled_from(["Dr.", "Prof.", "Jr.", "Ana", "15-12", "—", "“", "NFL", "*", "😀"]), max_size=8))
def test_no_letter_and_no_digit_is_lost_for_a_voice(pieces: list[str]) -> None:
    rest = iter(speech_text(" ".join(pieces), "en").lower())
    assert all(sign in rest for sign in "".join(pieces).lower() if sign.isalnum())


@pytest.mark.parametrize("mark", ["[](", "![a](b"])
def test_beginnings_of_links_take_linear_time(mark: str) -> None:
    assert is_linear(speakable, mark)


def test_links_within_links_take_linear_time() -> None:
    def nested(text: str) -> object:
        depth = len(text) // 5
        return speech_text("[" * depth + "x" + "](y)" * depth, "en")

    assert is_linear(nested, "text ")


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("the NFL season", "the N F L season"),
        ("NBA, MLB and NHL.", "N B A, M L B and N H L."),
        ("the NFL's best", "the N F L's best"),
        ("NFLPA, nfl", "NFLPA, nfl"),
    ],
)
def test_leagues_are_spelled_with_spaces_and_nothing_else_is(written: str, spelled: str) -> None:
    assert spell_leagues(written) == spelled
