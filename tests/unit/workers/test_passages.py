"""Which language a text is spoken in: by its script, sentence by sentence, and by what was asked for."""

from __future__ import annotations

import pytest

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import Unsupported
from antiphon.text.scripts import languages_of_script
from antiphon.workers import passages
from antiphon.workers.passages import Passages

MANY = Capabilities("many", languages=("en", "es", "ru", "uk", "el", "ar", "he", "hi", "ja", "ko", "th", "zh", "sr"))
ENGLISH = Capabilities("one", languages=("en",))
ANY = Capabilities("any")

JAPANESE, CHINESE, RUSSIAN = "今日はとても良い天気ですね。", "今天天气非常好。", "Сегодня хорошая погода."


def languages(text: str, asked: str | None = None, voices: Capabilities = MANY) -> list[str | None]:
    return [passage.language for passage in Passages(voices, asked).of(text)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (JAPANESE, "ja"),
        (CHINESE, "zh"),
        (RUSSIAN, "ru"),
        ("오늘은 날씨가 좋습니다.", "ko"),
        ("الطقس جميل", "ar"),
        ("מזג האוויר יפה", "he"),
        ("मौसम अच्छा है।", "hi"),
        ("อากาศดีมาก", "th"),
        ("Ο καιρός είναι καλός", "el"),
        ("The weather is fine.", None),
        ("Das Wetter ist schön, ça va?", None),
    ],
)
def test_the_script_tells_the_language_where_nobody_says_it(text: str, language: str | None) -> None:
    assert Passages(MANY, None).of(text) == [(text, language)]


@pytest.mark.parametrize(
    ("text", "asked", "language"),
    [
        ("Привіт", "uk", "uk"),
        ("Здраво", "sr-RS", "sr-RS"),
        ("东京", "ja", "ja"),
        ("Hola", "es-MX", "es-MX"),
        ("Microsoft", "ru", "ru"),
        (JAPANESE, "en", "ja"),
        (RUSSIAN, "es", "ru"),
        ("42", "es", "es"),
    ],
)
def test_the_language_asked_for_is_kept_where_it_is_written_so(text: str, asked: str, language: str) -> None:
    assert languages(text, asked) == [language]


def test_a_language_that_no_voice_speaks_gives_way_to_another_of_its_script() -> None:
    assert languages("Прывітанне", "be") == ["ru"]


def test_sentences_of_several_scripts_are_passages_of_their_own() -> None:
    text = f"Good morning. It is 9. {RUSSIAN} 42! {JAPANESE}\nBye."
    assert Passages(MANY, None).of(text) == [
        ("Good morning.\nIt is 9.", None),
        (f"{RUSSIAN}\n42!", "ru"),
        (JAPANESE, "ja"),
        ("Bye.", None),
    ]


def test_kana_anywhere_make_han_characters_japanese() -> None:
    assert languages(f"東京。{JAPANESE}大阪。") == ["ja"]
    assert languages("东京。大阪。") == ["zh"]


def test_what_comes_later_goes_on_in_the_language_before() -> None:
    passages = Passages(MANY, None)
    assert [passages.of(text)[0].language for text in (JAPANESE, "東京。", "42", "Hello.", "42")] == [
        "ja",
        "ja",
        "ja",
        None,
        None,
    ]


@pytest.mark.parametrize("text", ["", "   ", "😊", "...", "\n"])
def test_a_text_without_words_is_left_to_the_voice(text: str) -> None:
    assert Passages(ENGLISH, None).of(text) == [(text, None)]


@pytest.mark.parametrize(
    ("text", "told"), [(JAPANESE, r"\(ja\)"), (f"Hello. {RUSSIAN}", r"\(ru\)"), ("ᚠᚢᚦ", "script of this text")]
)
def test_what_no_voice_speaks_is_refused_by_its_field(text: str, told: str) -> None:
    with pytest.raises(Unsupported, match=told) as refused:
        Passages(ENGLISH, None).of(text)
    assert (refused.value.param, refused.value.code, refused.value.status) == ("input", "language_not_supported", 400)


def test_a_voice_for_any_language_is_never_refused() -> None:
    assert languages(JAPANESE, voices=ANY) == ["ja"]
    assert languages("ᚠᚢᚦ", voices=ANY) == ["und"]


def test_a_long_text_is_looked_at_twice_and_not_once_for_each_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def counted(text: str) -> tuple[str, ...]:
        looked_at.append(text)
        return languages_of_script(text)

    monkeypatch.setattr(passages, "languages_of_script", counted)
    text = RUSSIAN * 160
    assert languages(text) == ["ru"]
    assert sum(map(len, looked_at)) <= 2 * len(text)
