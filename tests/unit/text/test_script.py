from __future__ import annotations

import pytest

from antiphon.text.script import continuation, language_of_script


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello, Straße, œuvre, 123!", None),
        ("", None),
        ("今日は良い天気", "ja"),
        ("今天天气", "zh"),
        ("안녕하세요", "ko"),
        ("नमस्ते", "hi"),
        ("مرحبا", "ar"),
        ("Привет", "ru"),
        ("שלום", "he"),
        ("Γειά", "el"),
        ("สวัสดี", "th"),
    ],
)
def test_the_letters_point_to_a_language(text: str, language: str | None) -> None:
    assert language_of_script(text) == language


@pytest.mark.parametrize(
    ("before", "text", "joined"),
    [
        ("", " one ", "one"),
        ("one", " two", "one two"),
        ("one", "two", "one two"),
        ("one ", "two", "one two"),
        ("今日は", "いい天気", "今日はいい天気"),
        ("です。", "はい", "です。はい"),
        ("OK", "です", "OK です"),
        ("สวัสดี", "ครับ", "สวัสดีครับ"),
        ("one", "  ", "one"),
        ("안녕", "하세요", "안녕 하세요"),
    ],
)
def test_parts_of_a_transcript_are_joined_as_their_script_is_written(before: str, text: str, joined: str) -> None:
    assert before + continuation(before, text) == joined
