from __future__ import annotations

import pytest

from antiphon.text.scripts import UNKNOWN, continuation, language_of_script, languages_of_script


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
    ("text", "language"),
    [
        ("বাংলা", "bn"),
        ("ਪੰਜਾਬੀ", "pa"),
        ("ગુજરાતી", "gu"),
        ("ଓଡ଼ିଆ", "or"),
        ("தமிழ்", "ta"),
        ("తెలుగు", "te"),
        ("ಕನ್ನಡ", "kn"),
        ("മലയാളം", "ml"),
        ("සිංහල", "si"),
        ("ދިވެހި", "dv"),
        ("ລາວ", "lo"),
        ("ខ្មែរ", "km"),
        ("မြန်မာ", "my"),
        ("བོད", "bo"),
        ("ქართული", "ka"),
        ("Հայերեն", "hy"),
        ("አማርኛ", "am"),
        ("ᏣᎳᎩ", "chr"),
        ("ﾆﾎﾝｺﾞ", "ja"),
        ("ㄅㄆㄇ", "zh"),
        ("ﷺ", "ar"),
    ],
)
def test_rarer_scripts_and_their_compatible_forms_are_known(text: str, language: str) -> None:
    assert languages_of_script(text)[0] == language


@pytest.mark.parametrize("text", ["ᚠᚢᚦᚨᚱᚲ", "𒀀𒀁", "ᠮᠣᠩᠭᠣᠯ"])
def test_a_script_of_no_known_language_is_not_taken_for_latin(text: str) -> None:
    assert languages_of_script(text) == (UNKNOWN,)
    assert language_of_script(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The angle α is 30 degrees.", None),
        ("It is 5 µm thick.", None),
        ("𝓗𝓮𝓵𝓵𝓸", None),
        ("Я купил iPhone вчера вечером.", "ru"),
        ("iPhoneを買いました", "ja"),
        ("中文 with ひ", "ja"),
        ("Tokyo 東京", None),
        ("2024年", "zh"),
        ("42 😊 …", None),
    ],
)
def test_most_letters_decide(text: str, language: str | None) -> None:
    assert language_of_script(text) == language


@pytest.mark.parametrize(
    ("text", "also"), [("Привіт", "uk"), ("سلام", "fa"), ("東京", "ja"), ("नमस्कार", "mr"), ("שלום", "yi")]
)
def test_a_script_names_all_languages_that_are_commonly_written_in_it(text: str, also: str) -> None:
    assert also in languages_of_script(text)[1:]


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
