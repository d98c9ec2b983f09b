from __future__ import annotations

import pytest

from antiphon.text.script import language_of_script


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
