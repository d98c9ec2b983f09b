from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antiphon.text.translatable import translatable
from tests.unit.text.growth import is_linear


@pytest.mark.parametrize(
    ("heard", "ready"),
    [
        ("1:54 REMAINING in the half", "1:54 remaining in the half"),
        ("0:03.5 LEFT and 12:00 IT'S over", "0:03.5 left and 12:00 it's over"),
        ("at 7:00 PM, 8:15 EST, 9:00 NFL", "at 7:00 PM, 8:15 EST, 9:00 N F L"),
        ("1:54 COVID-19", "1:54 COVID-19"),
        ("a 15-12 TOUCHDOWN-BOUND RUN-PASS-OPTION", "a 15-12 TOUCHDOWN BOUND RUN PASS OPTION"),
        ("T-SHIRT, F-16, so-called", "T-SHIRT, F-16, so-called"),
        ("the NHL and the MLB", "the N H L and the M L B"),
        ("Lions vs. Bears VS Jets, vs.Rams", "Lions versus Bears versus Jets, versus Rams"),
        ("AT&T & more", "AT and T and more"),
        ("up 5%, or 5 % (50%)", "up 5 percent, or 5 percent (50 percent)"),
        ("$20, $1, $1,000.50 and $ 3", "20 dollars, 1 dollar, 1,000.50 dollars and 3 dollars"),
        (
            "$1.5 million, $20M, $3bn, $5k",
            "1.5 million dollars, 20 million dollars, 3 billion dollars, 5 thousand dollars",
        ),
        ("$20ish and $ signs", "20 dollars ish and dollars signs"),
        ("Lakers@Celtics, ask @bob", "Lakers at Celtics, ask at bob"),
        ("me@x.org, www.a.b/?c&d and https://a.b/?c=1&d=2%", "me@x.org, www.a.b/?c&d and https://a.b/?c=1&d=2%"),
        ("&%$@", "and percent dollars at"),
        ("  two \t words \n\n and a line ", "two words\nand a line"),
        ("", ""),
    ],
)
def test_english_conventions_become_words(heard: str, ready: str) -> None:
    assert translatable(heard, language="en") == ready
    assert translatable(heard, language="EN-us") == ready


@pytest.mark.parametrize("language", ["es", "pt-BR", "de", "ja"])
def test_another_language_is_only_tidied(language: str) -> None:
    heard = "John:  1:54 RESTANTES  vs. NFL & 5% $20 a@b"
    ready = "John: 1:54 RESTANTES vs. NFL & 5% $20 a@b"
    assert translatable(heard, language=language, drop_speaker_labels=True) == ready


@pytest.mark.parametrize(
    ("heard", "ready"),
    [
        ("John: hello", "hello"),
        (">> MARY ANN: hello", "hello"),
        (">>John: hello\nDr. O'Neil-Smith: hi", "hello\nhi"),
        ("Speaker 1: one\nSpeaker B: two", "one\ntwo"),
        ("José: hola", "hola"),
        ("John:\nhello", "hello"),
        ("John: Mary: hello", "hello"),
    ],
)
def test_speaker_labels_are_dropped_on_request(heard: str, ready: str) -> None:
    assert translatable(heard, language="en", drop_speaker_labels=True) == ready
    assert translatable(heard, language="en").startswith(heard[:4])


@pytest.mark.parametrize(
    "heard",
    [
        "Note: hello",
        ">> Warning: hello",
        "Final Score: 3-2",
        "The Winner: Ann",
        "12:30 kick-off",
        "https://x.org: down",
        "A: hello",
        "he said: hello",
        "hello John: hello",
        "One Two Three Four: hello",
    ],
)
def test_what_only_looks_like_a_label_stays(heard: str) -> None:
    assert translatable(heard, language="en", drop_speaker_labels=True) == heard


PIECES = st.sampled_from(
    [
        *("1:54", "AB", "REMAINING", "-", "NFL", "vs.", "VS", "&", "%", "$", "20", "1", ",000", ".5", "M", "million"),
        *("@", "a@b.c", "http://x", "www.", ":", ": ", "\n", " ", " ", " ", "Bob", "Note", ">>", "the", "'", "("),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30)


@example("$20NFL", False, "en")
@example("$20vs.", False, "en")
@example("5%AB-CD", False, "en")
@given(TEXTS, st.booleans(), st.sampled_from(["en", "es"]))
def test_what_is_ready_stays_as_it_is(heard: str, drop: bool, language: str) -> None:
    ready = translatable(heard, language=language, drop_speaker_labels=drop)
    assert translatable(ready, language=language, drop_speaker_labels=drop) == ready


@given(TEXTS)
def test_no_letter_and_no_digit_is_lost_and_no_sign_becomes_more_than_a_word(heard: str) -> None:
    ready = translatable(heard, language="en")
    rest = iter(ready.lower())
    assert all(sign in rest for sign in heard.lower() if sign.isalnum())
    assert len(ready) <= len(" dollars ") * len(heard)


@given(TEXTS)
def test_a_dropped_label_is_all_that_is_lost(heard: str) -> None:
    kept = translatable(heard, language="en").split("\n")
    dropped = translatable(heard, language="en", drop_speaker_labels=True).split("\n")
    assert len(dropped) <= len(kept)
    assert all(any(whole.endswith(line) for whole in kept) for line in dropped)


@pytest.mark.parametrize("mark", [">> A: ", "A B C: ", "w.w@", "AB-"])
def test_beginnings_of_labels_and_addresses_take_linear_time(mark: str) -> None:
    assert is_linear(lambda text: translatable(text, language="en", drop_speaker_labels=True), mark)
