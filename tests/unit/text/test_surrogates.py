"""Half characters are replaced, whole ones stay."""

from __future__ import annotations

from antiphon.text.surrogates import is_whole, whole


def test_half_characters_become_question_marks() -> None:
    assert whole("a\ud800b\udfff") == "a?b?"


def test_whole_characters_stay() -> None:
    assert whole("") == ""
    assert whole("naïve 👍 你好") == "naïve 👍 你好"


def test_a_text_is_whole_unless_it_holds_half_a_character() -> None:
    assert [is_whole(text) for text in ("", "plain", "naïve 👍 你好")] == [True, True, True]
    assert [is_whole(text) for text in ("a\ud800", "\udfffb", "é\ud83d")] == [False, False, False]
