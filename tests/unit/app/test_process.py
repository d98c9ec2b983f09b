"""One process, put together: every part starts, works and ends, also when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.app import process as process_module
from antiphon.app.asgi import Doors
from antiphon.app.engines import Engines, engine_context, make_engines
from antiphon.app.gateway import Gateway
from antiphon.app.process import Process, process
from antiphon.app.services import database_path
from antiphon.app.settings import Settings, load_settings
from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.errors import InvalidRequest, NotFound, ProviderUnavailable, WeightsMissing
from antiphon.ports.settings import opened
from antiphon.providers.openai.settings import OpenAiSettings
from antiphon.providers.stub import llm as stub_llm
from antiphon.providers.stub.settings import StubSettings
from tests.serving import STUBS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Stub engines, a fresh data directory, no wait at the end."""
    return load_settings(**STUBS, data_dir=tmp_path / "data", drain_s=0.2)


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Process]:
    """A platform that runs until the end of the test."""
    async with process(settings) as made:
        yield made


async def test_audio_without_room_in_memory_goes_to_the_data_directory(running: Process, settings: Settings) -> None:
    assert running.services.once(Gateway).limits.spill_dir == settings.data_dir


async def get(app: Any, path: str) -> tuple[int, bytes]:
    """Ask an ASGI app without a socket; return status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body


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
    async with asyncio.timeout(5):
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
    assert closed == ["stt", "llm", "tts", "translation", "vad", "end_of_turn"]
    assert asyncio.all_tasks() == before


async def test_an_error_inside_ends_everything_and_comes_out(settings: Settings) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ExceptionGroup) as failed:
        async with process(settings):
            raise NotFound("lost")
    assert failed.group_contains(NotFound, match="lost")
    assert asyncio.all_tasks() == before


def test_an_engine_that_nobody_knows_is_refused_with_those_that_are_known(settings: Settings) -> None:
    wrong = settings.model_copy(update={"tts": ("nightingale",)})
    with pytest.raises(NotFound, match=r"nightingale.*hibari"):
        make_engines(wrong).of("tts")


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


def test_each_kind_says_what_it_is(settings: Settings) -> None:
    engines = make_engines(settings)
    assert list(engines.capabilities) == ["stt", "llm", "tts", "translation", "vad", "end_of_turn"]
    assert all(capabilities.name == "stub" for capabilities in engines.capabilities.values())


def test_engines_are_told_settings_by_their_sections(settings: Settings) -> None:
    told = engine_context(settings.model_copy(update={"stub_text": "hi"}))
    assert told.section(StubSettings).stub_text == "hi"
    assert told.data_dir == settings.data_dir
    secret = engine_context(load_settings(**STUBS, openai_api_key="sk-open"))
    assert opened(secret.section(OpenAiSettings).openai_api_key) == "sk-open"
    assert "sk-open" not in repr(secret)


async def test_sockets_go_to_the_door_of_their_path_and_the_rest_to_rest() -> None:
    went: list[str] = []

    def door(name: str) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            went.append(name)

        return app

    doors = Doors(door("rest"), {"/v1/realtime": door("realtime")}, {"/socket.io": door("dubbing")})
    for kind, path in [
        ("http", "/v1/realtime"),
        ("websocket", "/v1/realtime/"),
        ("websocket", "/v1/realtime"),
        ("http", "/socket.io/"),
    ]:
        await doors({"type": kind, "path": path}, None, None)
    assert went == ["rest", "realtime", "realtime", "dubbing"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/meetings/m.1/captions", {"meeting": "m.1"}),
        ("/v1/meetings/m.1/captions/", {"meeting": "m.1"}),
        ("/v1/meetings/a/b/captions", None),
        ("/v1/meetings//captions", None),
        ("/v1xmeetings/m/captions", None),
    ],
)
async def test_a_path_with_a_name_in_it_leads_to_its_door_with_what_stands_there(
    path: str, found: dict[str, str] | None
) -> None:
    went: list[Any] = []

    async def captions(scope: Any, receive: Any, send: Any) -> None:
        went.append(scope["path_params"])

    async def send(message: dict[str, Any]) -> None:
        went.append(None if message.get("status") == 404 else ...)

    scope = {"type": "websocket", "path": path, "extensions": {"websocket.http.response": {}}}
    await Doors(captions, {"/v1/meetings/{meeting}/captions": captions}, {})(scope, None, send)
    assert went[0] == found


async def test_a_socket_without_a_door_is_refused_with_a_real_answer() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/telepathy", "extensions": {"websocket.http.response": {}}}
    await Doors(send, {}, {})(scope, send, send)
    assert sent[0]["status"] == 404
    assert b"/v1/telepathy" in sent[1]["body"]


def test_a_database_that_is_not_sqlite_is_refused_by_name(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, database_url="postgresql://db/antiphon")
    with pytest.raises(InvalidRequest, match="ANTIPHON_DATABASE_URL"):
        database_path(settings)
    named = load_settings(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/own.db")
    assert database_path(named) == tmp_path / "own.db"
    assert database_path(load_settings(data_dir=tmp_path)) == tmp_path / "antiphon.db"


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
