"""The language models that the conformance tests run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.app.settings import load_settings
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.providers import registry
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.openai_server import OpenAiServer
from tests.fakes.sse_server import Pause, Script, SseServer

Settings = dict[str, Any]

ENGINES = ("stub", "rules", "openai", "anthropic", "smollm2")
"""In the order of their cost."""


def context(settings: Settings | None = None, *, timeout_s: float = 30.0) -> EngineContext:
    """Settings for an engine; weights lie where the product keeps them."""
    return EngineContext(load_settings().data_dir, offline=True, timeout_s=timeout_s, settings=settings or {})


class LoadedModels:
    """Engines that are expensive to load, kept over the tests of a module."""

    def __init__(self) -> None:
        self._models: dict[str, LanguageModel] = {}

    async def get(self, name: str) -> LanguageModel:
        if name not in self._models:
            self._models[name] = registry.load("llm", (name,), context())
            await self._models[name].start()
        return self._models[name]

    def close(self) -> None:
        for model in self._models.values():
            asyncio.run(model.close())


@asynccontextmanager
async def running(name: str, loaded: LoadedModels) -> AsyncIterator[LanguageModel]:
    """A started model."""
    if name == "smollm2":
        yield await loaded.get(name)
        return
    async with _service(name) as server:
        model = registry.load("llm", (name,), context({f"{name}_base_url": server.base_url}))
        await model.start()
        yield model
        await model.close()


@asynccontextmanager
async def slow(name: str, timeout_s: float) -> AsyncIterator[LanguageModel]:
    """A started model that gives nothing within ``timeout_s``."""
    async with _service(name) as server:
        server.script(Script([Pause(600)]))
        settings = {f"{name}_base_url": server.base_url, "stub_llm_ms": 5000}
        model = registry.load("llm", (name,), context(settings, timeout_s=timeout_s))
        await model.start()
        yield model
        await model.close()


def _service(name: str) -> SseServer:
    """The service behind an engine; those without one ask none."""
    return AnthropicServer() if name == "anthropic" else OpenAiServer()


def params(*names: str) -> list[Any]:
    """The names as test parameters, local engines marked."""
    return [pytest.param(name, marks=[pytest.mark.engines(name)] if name == "smollm2" else []) for name in names]
