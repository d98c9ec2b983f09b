"""``antiphon bench translation``: quality against human translations, and speed, of engines."""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from statistics import median
from typing import Any

import msgspec
from rich.table import Table

from antiphon.app.engines import engine_context
from antiphon.app.settings import Settings, load_settings
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.errors import AntiphonError, WeightsMissing
from antiphon.ports.translation import Translation
from antiphon.providers.registry import load, names_of

SOURCE_LANGUAGE = "en"
_FILE = "bench_translation.toml"


class Sentence(msgspec.Struct, frozen=True):
    """One sentence of the Universal Declaration of Human Rights."""

    article: int
    en: str
    references: Mapping[str, str]
    """Its official translations, by language."""


class TranslationRow(msgspec.Struct, frozen=True):
    """One engine, into one language."""

    engine: str
    pair: str
    sentences: int
    bleu: float
    """0 to 100, over the whole corpus; sacrebleu's defaults."""
    chrf: float
    """0 to 100, likewise (chrF2)."""
    p50_ms: float
    """Median time of a sentence, one after the other; the first call is not counted."""


def run(json_out: bool) -> Sequence[TranslationRow]:
    """Measure every available engine in all its languages, and print.

    Remote engines are included if their key is set: about 10,000 characters each. Raises `WeightsMissing` without
    sacrebleu.
    """
    rows = asyncio.run(measure(names_of("translation"), load_settings()))
    if json_out:
        print_json(rows)
    else:
        OUT.print(_table(rows))
    return rows


async def measure(names: Sequence[str], settings: Settings) -> list[TranslationRow]:
    """Return the rows of the engines of these names; one that does not start is skipped with a message."""
    sacrebleu = _sacrebleu()
    rows: list[TranslationRow] = []
    for name in names:
        try:
            engine = load("translation", (name,), engine_context(settings))
            await engine.start()
        except AntiphonError as exc:
            ERR.print(f"{name} skipped: {exc}")
            continue
        try:
            rows += await _measure(name, engine, sacrebleu)
        except AntiphonError as exc:
            ERR.print(f"{name} skipped: {exc}")
        finally:
            await engine.close()
    return rows


def sentences() -> list[Sentence]:
    """Return the packaged sentences."""
    text = files("antiphon.cli").joinpath(_FILE).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["sentences"], list[Sentence])


async def _measure(name: str, engine: Translation, sacrebleu: Any) -> list[TranslationRow]:
    rows: list[TranslationRow] = []
    for target, pairs in _by_target().items():
        if not engine.has_pair(SOURCE_LANGUAGE, target):
            ERR.print(f"{name} has no {SOURCE_LANGUAGE}-{target}")
            continue
        ERR.print(f"{name} {SOURCE_LANGUAGE}-{target}")
        await engine.translate("One.", source=SOURCE_LANGUAGE, target=target)
        translated: list[str] = []
        took_ms: list[float] = []
        for text, _ in pairs:
            started = time.perf_counter()
            translated.append(await engine.translate(text, source=SOURCE_LANGUAGE, target=target))
            took_ms.append((time.perf_counter() - started) * 1000)
        references = [[reference for _, reference in pairs]]
        rows.append(
            TranslationRow(
                engine=name,
                pair=f"{SOURCE_LANGUAGE}-{target}",
                sentences=len(pairs),
                bleu=round(sacrebleu.corpus_bleu(translated, references).score, 1),
                chrf=round(sacrebleu.corpus_chrf(translated, references).score, 1),
                p50_ms=round(median(took_ms), 2),
            )
        )
    return rows


def _by_target() -> Mapping[str, list[tuple[str, str]]]:
    """Return the sentences and their translations, by language."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for sentence in sentences():
        for target, reference in sentence.references.items():
            found[target].append((sentence.en, reference))
    return found


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError as exc:
        raise WeightsMissing("the figures need 'sacrebleu', which is not installed: pip install sacrebleu") from exc
    return sacrebleu


def _table(rows: Sequence[TranslationRow]) -> Table:
    table = Table("engine", "pair", "sentences", "BLEU", "chrF", "ms a sentence (p50)")
    for row in rows:
        figures = (f"{row.bleu:.1f}", f"{row.chrf:.1f}", f"{row.p50_ms:.4g}")
        table.add_row(row.engine, row.pair, str(row.sentences), *figures)
    return table
