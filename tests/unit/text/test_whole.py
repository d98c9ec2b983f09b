"""Half characters are replaced, whole ones stay."""

from __future__ import annotations

from antiphon.text.whole import whole


def test_half_characters_become_question_marks() -> None:
    assert whole("a\ud800b\udfff") == "a?b?"


def test_whole_characters_stay() -> None:
    assert whole("") == ""
    assert whole("naïve 👍 你好") == "naïve 👍 你好"
