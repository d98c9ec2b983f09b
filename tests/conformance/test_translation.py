"""What every translation promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from antiphon.providers import registry


@pytest.fixture(params=["stub"])
async def translation(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Translation]:
    made = registry.load("translation", (request.param,), EngineContext(tmp_path, offline=True))
    await made.start()
    yield made
    await made.close()
    await made.close()


async def test_text_is_translated(translation: Translation) -> None:
    translated = await translation.translate("Good morning.", source="en", target="es")
    assert translated.strip()
    assert translated != "Good morning."


@pytest.mark.parametrize("text", ["", "  ", "\n"])
async def test_empty_text_stays_empty(translation: Translation, text: str) -> None:
    assert await translation.translate(text, source=None, target="es") == ""


@pytest.mark.parametrize(
    "text", ["👍 naïve 你好 שלום", "a\x00b", "<script>", "word " * 5000], ids=lambda text: text[:5]
)
async def test_any_text_is_translated(translation: Translation, text: str) -> None:
    assert await translation.translate(text, source=None, target="de")


async def test_translations_side_by_side_do_not_mix(translation: Translation) -> None:
    texts = [f"number {n}" for n in range(10)]
    translated = await asyncio.gather(*[translation.translate(text, source="en", target="es") for text in texts])
    assert all(text.split()[1] in one for text, one in zip(texts, translated, strict=True))


async def test_a_translation_names_itself(translation: Translation) -> None:
    assert translation.capabilities.name
