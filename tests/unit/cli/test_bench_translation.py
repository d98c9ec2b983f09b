"""The comparison of engines with human translators."""

from __future__ import annotations

import sys

import msgspec
import pytest

from antiphon.app.settings import load_settings
from antiphon.cli import bench_translation
from antiphon.cli.bench_translation import TranslationRow, measure, sentences
from antiphon.cli.main import run
from antiphon.entities.capabilities import Capabilities
from antiphon.errors import ProviderRejected, ProviderUnavailable, WeightsMissing

pytestmark = pytest.mark.usefixtures("stubs")


class Human:
    """Knows the official translations into some languages."""

    capabilities = Capabilities("human")

    def __init__(self, *languages: str, start: Exception | None = None, fail: Exception | None = None) -> None:
        self.languages = languages
        self.start_error, self.error = start, fail
        self.closed = 0

    async def start(self) -> None:
        if self.start_error:
            raise self.start_error

    async def close(self) -> None:
        self.closed += 1

    def has_pair(self, source: str | None, target: str) -> bool:
        return target in self.languages

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        if self.error:
            raise self.error
        return {sentence.en: sentence.references[target] for sentence in sentences()}.get(text, "")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Human]:
    """Engines in place of the installed ones."""
    found: dict[str, Human] = {}
    monkeypatch.setattr(bench_translation, "names_of", lambda kind: list(found))
    monkeypatch.setattr(bench_translation, "load", lambda kind, names, context: found[names[0]])
    return found


def test_the_sentences_have_all_their_translations_and_differ() -> None:
    found = sentences()
    assert len(found) >= 20
    assert {tuple(sentence.references) for sentence in found} == {("es", "pt", "pt-BR")}
    for texts in zip(*((sentence.en, *sentence.references.values()) for sentence in found), strict=True):
        assert len({text.strip() for text in texts}) == len(found)
    assert all(text.endswith(".") for sentence in found for text in (sentence.en, *sentence.references.values()))


async def test_who_translates_as_the_reference_does_has_full_marks(engines: dict[str, Human]) -> None:
    engines["human"] = Human("es", "pt-BR")
    rows = await measure(["human"], load_settings())
    assert [(row.engine, row.pair, row.bleu, row.chrf) for row in rows] == [
        ("human", "en-es", 100.0, 100.0),
        ("human", "en-pt-BR", 100.0, 100.0),
    ]
    assert all(row.sentences == len(sentences()) and row.p50_ms > 0 for row in rows)
    assert engines["human"].closed == 1


async def test_what_is_not_translated_is_far_from_it() -> None:
    rows = await measure(["stub"], load_settings())
    assert [row.pair for row in rows] == ["en-es", "en-pt", "en-pt-BR"]
    assert all(row.bleu < 10 and row.chrf < 40 for row in rows)


async def test_who_does_not_start_or_fails_is_left_out_with_a_reason(
    engines: dict[str, Human], capsys: pytest.CaptureFixture[str]
) -> None:
    engines["keyless"] = Human(start=ProviderUnavailable("there is no key"))
    engines["poor"] = Human("es", fail=ProviderRejected("the quota is used up"))
    engines["human"] = Human("pt")
    rows = await measure(list(engines), load_settings())
    assert [row.engine for row in rows] == ["human"]
    told = capsys.readouterr().err
    assert "keyless skipped: there is no key\n" in told
    assert "poor skipped: the quota is used up\n" in told
    assert "human has no en-es\n" in told
    assert engines["poor"].closed == 1


def test_the_command_prints_a_table_or_json(engines: dict[str, Human], capsys: pytest.CaptureFixture[str]) -> None:
    engines["human"] = Human("es")
    with pytest.raises(SystemExit):
        run(["bench", "translation"])
    assert "BLEU" in (told := capsys.readouterr().out)
    assert [line.split("│")[1:5] for line in told.splitlines() if "human" in line] == [
        [" human  ", " en-es ", f" {len(sentences())}        ", " 100.0 "]
    ]
    with pytest.raises(SystemExit):
        run(["bench", "translation", "--json"])
    (row,) = msgspec.json.decode(capsys.readouterr().out, type=list[TranslationRow])
    assert (row.engine, row.bleu) == ("human", 100.0)


async def test_without_sacrebleu_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(WeightsMissing, match="pip install sacrebleu"):
        await measure(["stub"], load_settings())
