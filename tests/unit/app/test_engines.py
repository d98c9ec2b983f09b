"""The engines of a process end together, whatever one of them does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.app import engines as module
from antiphon.app.engines import engine_context, make_engines
from antiphon.app.settings import Settings, load_settings
from antiphon.errors import NotFound
from antiphon.ports.settings import opened
from antiphon.providers.openai.settings import OpenAiSettings
from antiphon.providers.stub.llm import StubLlm
from antiphon.providers.stub.settings import StubSettings
from antiphon.providers.stub.stt import StubStt
from antiphon.providers.stub.tts import StubTts
from tests.serving import STUBS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Stub engines."""
    return load_settings(**STUBS, data_dir=tmp_path / "data")


async def test_an_engine_that_fails_to_close_or_never_does_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def fail(_: object) -> None:
        raise OSError("as planned")

    async def hang(_: object) -> None:
        await asyncio.sleep(60)

    async def close(_: object) -> None:
        closed.append("tts")

    monkeypatch.setattr(module, "_CLOSE_S", 0.05)
    monkeypatch.setattr(StubStt, "close", fail)
    monkeypatch.setattr(StubLlm, "close", hang)
    monkeypatch.setattr(StubTts, "close", close)
    engines = make_engines(load_settings(**STUBS, data_dir=tmp_path))
    for kind in module.KINDS:
        engines.of(kind)
    with capture_logs() as lines:
        await engines.close()
    assert closed == ["tts"]
    told = {(line["kind"], line["error"]) for line in lines if line["event"] == "engine close failed"}
    assert told == {("stt", "OSError"), ("llm", "TimeoutError")}


def test_an_engine_that_nobody_knows_is_refused_with_those_that_are_known(settings: Settings) -> None:
    wrong = settings.model_copy(update={"tts": ("nightingale",)})
    with pytest.raises(NotFound, match=r"nightingale.*hibari"):
        make_engines(wrong).of("tts")


def test_each_kind_says_what_it_is(settings: Settings) -> None:
    engines = make_engines(settings)
    assert list(engines.capabilities) == ["stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding"]
    assert all(capabilities.name == "stub" for capabilities in engines.capabilities.values())


def test_engines_are_told_settings_by_their_sections(settings: Settings) -> None:
    told = engine_context(settings.model_copy(update={"stub_text": "hi"}))
    assert told.section(StubSettings).stub_text == "hi"
    assert told.data_dir == settings.data_dir
    secret = engine_context(load_settings(**STUBS, openai_api_key="sk-open"))
    assert opened(secret.section(OpenAiSettings).openai_api_key) == "sk-open"
    assert "sk-open" not in repr(secret)
