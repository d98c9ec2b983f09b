"""The translate worker: text in, text out."""

from __future__ import annotations

import pytest

from antiphon.errors import Unsupported
from antiphon.providers.stub.translation import StubTranslation
from antiphon.wire.entries import JobFailed, TranslationReady
from antiphon.wire.jobs import Translate
from antiphon.workers.translate import Translator
from tests.fakes.engines import ScriptedTranslation
from tests.working import working


@pytest.mark.parametrize(("text", "translated"), [("hello", "[es] hello"), ("", ""), (" ", "")])
async def test_a_text_is_translated_and_an_empty_one_stays_empty(text: str, translated: str) -> None:
    async with working("translate", Translator(StubTranslation()).handle) as bench:
        assert await bench.do(Translate(text, "es")) == [TranslationReady("job_1", translated, "stub", "stub")]


async def test_the_engine_hears_both_languages() -> None:
    engine = ScriptedTranslation(["hola"])
    async with working("translate", Translator(engine).handle) as bench:
        await bench.do(Translate("hello", "es", "en"))
        await bench.do(Translate("hello", "pt-BR"))
    assert engine.asked == [("hello", "en", "es"), ("hello", None, "pt-BR")]


async def test_a_pair_of_languages_that_the_engine_has_not_is_refused_in_its_words() -> None:
    error = Unsupported("no Klingon")
    async with working("translate", Translator(ScriptedTranslation([error])).handle) as bench:
        assert await bench.do(Translate("hello", "tlh")) == [
            JobFailed("job_1", error.type, error.code, "no Klingon", kind=type(error).__name__)
        ]
