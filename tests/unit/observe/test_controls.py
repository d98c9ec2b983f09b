"""Foreign text on a terminal: control characters are spelled out."""

from __future__ import annotations

import json

import pytest

from antiphon.observe.controls import LAYOUT, escaped, spelled


@pytest.mark.parametrize(("text", "shown"), [
    ("plain text, häßlich, 日本語", "plain text, häßlich, 日本語"),
    ("\x1b[31mred", "\\x1b[31mred"),
    ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
    ("\x7f\x80\x9f", "\\x7f\\x80\\x9f"),
    ("\u202etxt.exe", "\\x202etxt.exe"),
    ("\u2066hidden\u2069", "\\x2066hidden\\x2069"),
    ("\u2028", "\\x2028"),
    ("half \ud83d", "half \\xd83d"),
])  # fmt: skip
def test_a_control_character_is_spelled_out(text: str, shown: str) -> None:
    assert spelled(text) == shown


def test_characters_to_keep_stay() -> None:
    assert spelled("a\n\tb\x1b", keeps=LAYOUT) == "a\n\tb\\x1b"


def test_escaped_json_means_the_same_and_steers_nothing() -> None:
    value = {"said": "\u202eab\x7f", "line": "a\nb"}
    line = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert spelled(line) == line
