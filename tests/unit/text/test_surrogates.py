"""Half characters are replaced, whole ones stay."""

from __future__ import annotations

from antiphon.text.surrogates import has_no_surrogates, replace_surrogates


def test_half_characters_become_question_marks() -> None:
    assert replace_surrogates("a\ud800b\udfff") == "a?b?"


def test_whole_characters_stay() -> None:
    assert replace_surrogates("") == ""
    assert replace_surrogates("naïve 👍 你好") == "naïve 👍 你好"


def test_a_text_is_whole_unless_it_holds_half_a_character() -> None:
    assert [has_no_surrogates(text) for text in ("", "plain", "naïve 👍 你好")] == [True, True, True]
    assert [has_no_surrogates(text) for text in ("a\ud800", "\udfffb", "é\ud83d")] == [False, False, False]
