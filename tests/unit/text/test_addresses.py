from __future__ import annotations

import pytest

from antiphon.text.addresses import say_dots, spell_addresses
from tests.unit.text.growth import is_linear


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mail bob.smith@example.com today.", "Mail bob dot smith at example dot com today."),
        ("Visit example.org/help now.", "Visit example dot org slash help now."),
        ("It is at sub.example.co.uk.", "It is at sub dot example dot co dot uk."),
        ("Is it example.com? Yes.", "Is it example dot com? Yes."),
        ("(see www.example.org)", "(see www dot example dot org)"),
        ("example.com: good", "example dot com: good"),
        ("EXAMPLE.COM!", "EXAMPLE dot COM!"),
        ("ftp://a-b.org/c_d?e", "ftp colon slash slash a dash b dot org slash c underscore d question mark e"),
        ("on http://localhost:8000/", "on http colon slash slash localhost colon 8000 slash"),
        ("example.com:8080, please", "example dot com colon 8080, please"),
        ("Ping 192.168.0.1.", "Ping 192 dot 168 dot 0 dot 1."),
        ("user@localhost", "user at localhost"),
        ("Open setup.py and song.mp3.", "Open setup dot py and song dot mp3."),
    ],
)
def test_the_signs_of_addresses_are_said(written: str, said: str) -> None:
    assert spell_addresses(written) == said


@pytest.mark.parametrize(
    "text",
    [
        "It is 3.14 or 1.5kg, in version 3.11.4.",
        "On 12.05.2024 at 9 a.m. in the U.S.A., e.g. here; Ph.D.",
        "I went home.Then I slept.",
        "Wait...what? And/or 24/7, well-known.",
        "Mr. Smith met Dr. J. K. Ruiz.",
        "meet me @ noon",
        "",
    ],
)
def test_other_dots_are_left_to_the_voice(text: str) -> None:
    assert spell_addresses(text) == text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Siehe example Punkt org/hilfe. Es kostet 1.5."),
        ("ru", "Siehe example точка org/hilfe. Es kostet 1.5."),
        ("en", "Siehe example.org/hilfe. Es kostet 1.5."),
        ("", "Siehe example.org/hilfe. Es kostet 1.5."),
    ],
)
def test_dots_are_written_out_where_espeak_passes_over_them(language: str, said: str) -> None:
    assert say_dots("Siehe example.org/hilfe. Es kostet 1.5.", language) == said


@pytest.mark.parametrize("mark", ["a.", "a@", "a-", "a://", "1.1.1.1/"])
def test_beginnings_of_addresses_take_linear_time(mark: str) -> None:
    assert is_linear(spell_addresses, mark)
