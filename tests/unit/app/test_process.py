"""One process, put together: every part starts, works and ends, also when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.app import process as process_module
from antiphon.app.engines import Engines, make_engines
from antiphon.app.process import Process, process
from antiphon.app.settings import Settings, load_settings
from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.errors import NotFound, ProviderUnavailable, WeightsMissing
from antiphon.providers.stub import llm as stub_llm
from tests.serving import STUBS
from tests.unit.app.stage import get


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Stub engines, a fresh data directory, no wait at the end."""
    return load_settings(**STUBS, data_dir=tmp_path / "data", drain_s=0.2)


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Process]:
    """A platform that runs until the end of the test."""
    async with process(settings) as made:
        yield made


async def test_everything_that_was_started_has_ended_afterwards(settings: Settings) -> None:
    before = asyncio.all_tasks()
    async with process(settings):
        assert {"store writer"} <= {task.get_name() for task in asyncio.all_tasks() - before}
    assert asyncio.all_tasks() == before
    assert (settings.data_dir / "antiphon.db").is_file()


async def test_every_task_of_a_process_has_a_name(running: Process) -> None:
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert {f"{queue} worker" for queue in ("transcribe", "respond", "speak", "translate", "score")} <= names


async def test_the_same_data_directory_serves_again(settings: Settings) -> None:
    for _ in range(2):
        async with process(settings) as made:
            assert (await get(made.app, "/ready"))[0] == 200


async def test_a_platform_that_drains_is_no_longer_ready(running: Process) -> None:
    assert (await get(running.app, "/ready"))[0] == 200
    async with asyncio.timeout(30):
        await running.drain()
    assert running.is_draining
    assert (await get(running.app, "/ready"))[0] == 503
    assert (await get(running.app, "/health"))[0] == 200


async def test_an_engine_that_cannot_start_ends_the_start_and_all_others_are_closed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def fail(_: object) -> None:
        raise WeightsMissing("no weights today")

    monkeypatch.setattr(stub_llm.StubLlm, "start", fail)
    close = Engines.close

    async def closing(engines: Engines) -> None:
        await close(engines)
        closed.extend(engines.capabilities)

    monkeypatch.setattr(Engines, "close", closing)
    before = asyncio.all_tasks()
    with pytest.raises(ExceptionGroup) as failed:
        async with process(settings):
            pytest.fail("it started")
    assert failed.group_contains(WeightsMissing, match="no weights today")
    assert closed == ["stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding"]
    assert asyncio.all_tasks() == before


async def test_an_error_inside_ends_everything_and_comes_out(settings: Settings) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ExceptionGroup) as failed:
        async with process(settings):
            raise NotFound("lost")
    assert failed.group_contains(NotFound, match="lost")
    assert asyncio.all_tasks() == before


async def test_a_service_that_cannot_be_reached_is_left_alone_and_metrics_show_it(settings: Settings) -> None:
    nobody_listens = {"llm": ("openai",), "openai_base_url": "http://127.0.0.1:9/v1", "breaker_failures": 2}
    reasons: list[str] = []
    async with process(settings.model_copy(update=nobody_listens)) as made:
        for _ in range(3):
            with pytest.raises(ProviderUnavailable) as failed:
                await anext(aiter(made.services.engines.llm.respond(ChatRequest((ChatMessage("user", "hello"),)))))
            reasons.append(failed.value.message)
        assert b'circuit_open{endpoint="llm:openai"} 1.0' in made.services.metrics.render()
    assert ["left alone" in reason for reason in reasons] == [False, False, True]


async def test_a_failure_that_no_call_raises_is_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def make(*arguments: Any) -> Engines:
        engines = make_engines(*arguments)
        told.append(arguments[-1])
        return engines

    monkeypatch.setattr(process_module, "make_engines", make)
    async with process(settings) as made:
        told[0]()
        assert b'errors_total{area="provider",type="api_error"} 1.0' in made.services.metrics.render()
