"""Remote engines say how their service is, by a call that costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from antiphon.errors import AntiphonError, ProviderRejected, ProviderTimeout, Transient
from antiphon.ports.engine import EngineContext
from antiphon.providers.registry import load as load_engine
from tests.fakes.models_server import ModelsServer

load: Any = load_engine
KEY = "sk-of-these-tests"
REMOTE = {
    ("stt", "openai"): ("openai_base_url", "/v1", "openai_api_key", "GET /v1/models"),
    ("llm", "openai"): ("openai_base_url", "/v1", "openai_api_key", "GET /v1/models"),
    ("llm", "ollama"): ("ollama_base_url", "/v1", "", "GET /v1/models"),
    ("llm", "anthropic"): ("anthropic_base_url", "", "anthropic_api_key", "GET /v1/models?limit=1"),
    ("tts", "openai"): ("openai_base_url", "/v1", "openai_api_key", "GET /v1/models"),
    ("tts", "elevenlabs"): ("elevenlabs_base_url", "", "elevenlabs_api_key", "GET /v1/models"),
    ("translation", "llm"): ("openai_base_url", "/v1", "openai_api_key", "GET /v1/models"),
    ("translation", "deepl"): ("deepl_server_url", "", "deepl_api_key", "GET /v2/usage"),
}
EVERY = pytest.mark.parametrize(("kind", "name"), REMOTE)


@asynccontextmanager
async def made(tmp_path: Path, kind: str, name: str, timeout_s: float = 5.0) -> AsyncIterator[tuple[Any, ModelsServer]]:
    url, path, key, _ = REMOTE[kind, name]
    async with ModelsServer().running() as service:
        settings = {url: service.base_url + path, key: KEY}
        engine = load(kind, (name,), EngineContext(tmp_path, timeout_s=timeout_s, settings=settings))
        yield engine, service
        await engine.close()


@EVERY
async def test_a_service_that_answers_is_well_and_nothing_that_costs_was_asked(
    tmp_path: Path, kind: str, name: str
) -> None:
    async with made(tmp_path, kind, name) as (engine, service):
        assert engine.capabilities.has_check
        await engine.check()
        assert service.asked == [REMOTE[kind, name][3]]
        assert KEY in service.heads[0] or name == "ollama"


@EVERY
@pytest.mark.parametrize(("status", "kind_of_error"), [(500, Transient), (401, ProviderRejected)])
async def test_a_service_that_fails_or_refuses_the_key_is_not_well(
    tmp_path: Path, kind: str, name: str, status: int, kind_of_error: type[AntiphonError]
) -> None:
    async with made(tmp_path, kind, name) as (engine, service):
        service.status = status
        with pytest.raises(kind_of_error) as failed:
            await engine.check()
        assert KEY not in f"{failed.value} {failed.value.detail}"
        assert len(service.asked) == 1, "nothing is retried"


@EVERY
async def test_a_service_that_says_nothing_is_given_up(tmp_path: Path, kind: str, name: str) -> None:
    async with made(tmp_path, kind, name, timeout_s=0.05) as (engine, service):
        service.status = None
        async with asyncio.timeout(5):
            with pytest.raises(ProviderTimeout):
                await engine.check()


@pytest.mark.parametrize(("kind", "name"), [one for one in REMOTE if one[1] in ("openai", "ollama")])
async def test_a_service_without_a_list_of_models_has_answered_too(tmp_path: Path, kind: str, name: str) -> None:
    async with made(tmp_path, kind, name) as (engine, service):
        service.status = 404
        await engine.check()
