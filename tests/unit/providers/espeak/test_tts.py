"""espeak-ng in its own process: which languages it says it speaks, and that it speaks the one asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.espeak.tts import EspeakTts, create

pytest.importorskip("espeakng_loader")
pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "La casa es grande y roja."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EspeakTts]:
    made = create(EngineContext(tmp_path_factory.mktemp("data")))
    await made.start()
    yield made
    await made.close()


async def speak(engine: EspeakTts, text: str = TEXT, **options: Any) -> bytes:
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as chunks:
        return b"".join([chunk.pcm.data async for chunk in chunks])


async def test_before_it_is_started_nobody_knows_its_languages(tmp_path: Path) -> None:
    assert create(EngineContext(tmp_path)).capabilities.languages == ()


async def test_its_languages_are_those_of_its_voices_under_their_usual_codes(voice: EspeakTts) -> None:
    languages = voice.capabilities.languages
    assert {"en", "es", "pt", "fr", "de", "zh", "no", "ja", "ar"} <= set(languages)
    assert len(set(languages)) == len(languages) > 80
    assert not voice.capabilities.speaks("xx")


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("es", "es"),
        ("es-MX", "es"),
        ("pt", "pt-br"),
        ("pt-PT", "pt"),
        ("pt-BR", "pt-br"),
        ("fr", "fr-fr"),
        ("de-AT", "de"),
        ("en-GB", "en-gb"),
        ("zh-CN", "cmn"),
        ("NO", "nb"),
        ("xx", "en-us"),
    ],
)
async def test_a_language_is_spoken_by_its_own_voice(voice: EspeakTts, language: str, name: str) -> None:
    own, other = await speak(voice, voice=name), await speak(voice, language="it")
    assert len(await speak(voice, language=language)) == pytest.approx(len(own), rel=0.01)
    assert len(own) != pytest.approx(len(other), rel=0.01)


@pytest.mark.parametrize(
    ("name", "by"), [("en-us", "ru"), ("en-us+f2", "ru"), ("ar", "ru"), ("ru", "ru"), ("uk", "uk"), ("alloy", "ru")]
)
async def test_a_voice_of_another_script_does_not_spell_a_text(voice: EspeakTts, name: str, by: str) -> None:
    text = "Сегодня очень хорошая погода, и мы идём в парк."
    expected = len(await speak(voice, text, language=by))
    assert len(await speak(voice, text, voice=name, language="ru")) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "今日はとても良い天気ですね。"),
        ("ko", "오늘은 날씨가 아주 좋습니다."),
        ("zh", "今天天气非常好，我们去公园吧。"),
        ("ar", "الطقس جميل جدا اليوم."),
        ("hi", "आज मौसम बहुत अच्छा है।"),
        ("he", "מזג האוויר יפה מאוד היום."),
        ("th", "วันนี้อากาศดีมาก"),
        ("ru", "Сегодня очень хорошая погода."),
        ("el", "Ο καιρός είναι πολύ καλός σήμερα."),
        ("bn", "আজ আবহাওয়া খুব ভালো।"),
        ("ta", "இன்று வானிலை நன்றாக உள்ளது."),
        ("ka", "დღეს ძალიან კარგი ამინდია."),
    ],
)
async def test_a_text_in_a_script_of_its_own_is_spoken_by_a_voice_that_is_listed(
    voice: EspeakTts, language: str, text: str
) -> None:
    assert voice.capabilities.speaks(language)
    assert len(await speak(voice, text, voice="alloy", language=language)) > 22_050


@pytest.mark.parametrize("language", ["en", "es", "fr", "fr-CA", "de", "it", "pt", "ru", "el", "he", "ja", "ko", "zh"])
async def test_the_dots_of_addresses_are_said_in_every_language(voice: EspeakTts, language: str) -> None:
    dotted = await speak(voice, "sub.example.com", language=language)
    assert len(dotted) > 1.2 * len(await speak(voice, "sub example com", language=language))
