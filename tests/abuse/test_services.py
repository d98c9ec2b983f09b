"""Services that were taken over, or are chatty: what people said goes nowhere else, and clients hear words of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.entities.speech import Pcm
from antiphon.errors import AntiphonError
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.tts import SpeakOptions
from tests.fakes.loopback import answering, listening, redirecting
from tests.serving import serving

INTERNAL = "internal host db-7.corp.example, account 4711, trace xyz"


async def _drain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


async def _chat(engine: Any) -> None:
    await _drain(engine.respond(ChatRequest((ChatMessage("user", "what was said"),))))


async def _speak(engine: Any) -> None:
    await _drain(engine.synthesize("what was said", SpeakOptions()))


async def _hear(engine: Any) -> None:
    await _drain(engine.transcribe(Pcm(b"\x00\x40\x00\xc0" * 8_000, 16_000), TranscribeOptions()))


async def _translate(engine: Any) -> None:
    await engine.translate("what was said", source="en", target="de")


Use = Callable[[Any], Awaitable[None]]
ENGINES: dict[str, tuple[str, str, dict[str, str], Use]] = {
    "openai_llm": ("openai.llm:create_openai", "openai_base_url", {"openai_api_key": "sk-key"}, _chat),
    "openai_stt": ("openai.stt:create", "openai_base_url", {"openai_api_key": "sk-key"}, _hear),
    "openai_tts": ("openai.tts:create", "openai_base_url", {"openai_api_key": "sk-key"}, _speak),
    "anthropic": ("anthropic.llm:create", "anthropic_base_url", {"anthropic_api_key": "sk-key"}, _chat),
    "llm_translation": ("openai.translation:create", "openai_base_url", {"openai_api_key": "sk-key"}, _translate),
    "elevenlabs": ("elevenlabs.tts:create", "elevenlabs_base_url", {"elevenlabs_api_key": "sk-of-a-service"}, _speak),
    "deepl": ("deepl.translation:create", "deepl_server_url", {"deepl_api_key": "key:fx"}, _translate),
}


async def started(engine: Any, use: Use) -> None:
    await engine.start()
    await use(engine)


async def ask(name: str, base_url: str, tmp_path: Path) -> AntiphonError:
    """Use an engine whose service is at ``base_url``, and return the error that it ends with."""
    entry, setting, settings, use = ENGINES[name]
    module, _, factory = entry.partition(":")
    context = EngineContext(tmp_path, timeout_s=5, settings={**settings, setting: base_url})
    engine = getattr(import_module(f"antiphon.providers.{module}"), factory)(context)
    try:
        with pytest.raises(AntiphonError) as failed:
            await started(engine, use)
    finally:
        await engine.close()
    return failed.value


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_was_said_is_not_sent_after_a_redirect(name: str, status: int, tmp_path: Path) -> None:
    async with redirecting(status) as (service, led):
        await ask(name, service, tmp_path)
    assert led == []


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_what_a_service_says_is_for_the_log(name: str, status: int, tmp_path: Path) -> None:
    body = json.dumps({
        "error": {"message": INTERNAL, "type": "x", "code": INTERNAL}, "message": INTERNAL, "detail": INTERNAL,
    })  # fmt: skip
    async with listening(answering(status, {"content-type": "application/json"}, body.encode())) as service:
        error = await ask(name, service, tmp_path)
    told = f"{error.message} {error.code} {error.param}"
    assert not {"db-7", "4711", "xyz", service.removeprefix("http://")} & set(told.replace(",", " ").split())
    assert "db-7" not in told


@pytest.mark.parametrize("code", ["db_7_account_4711", ["db_7"]])
@pytest.mark.parametrize("name", ENGINES)
async def test_a_code_that_no_client_knows_is_for_the_log(name: str, code: object, tmp_path: Path) -> None:
    error_body = {"message": [INTERNAL], "type": code, "code": code, "details": {"error_code": code}}
    body = json.dumps({"error": error_body, "detail": {"status": code, "message": [INTERNAL]}}).encode()
    async with listening(answering(400, {"content-type": "application/json"}, body)) as service:
        error = await ask(name, service, tmp_path)
    assert "db_7" not in f"{error.message} {error.code} {error.param}"


@pytest.mark.parametrize("name", ENGINES)
async def test_an_answer_of_another_kind_is_not_repeated(name: str, tmp_path: Path) -> None:
    said = {"choices": [{"message": {"content": None}, "finish_reason": INTERNAL}], "text": [INTERNAL]}
    kind = {"content-type": "text/plain; host=db-7"}
    async with listening(answering(200, kind, json.dumps(said).encode())) as service:
        error = await ask(name, service, tmp_path)
    assert "db-7" not in f"{error.message} {error.code} {error.param}"


async def test_a_caller_of_rest_hears_words_of_ours_and_the_log_has_none_of_his(tmp_path: Path) -> None:
    body = json.dumps({"error": {"message": f"{INTERNAL}; input: my card is 1234"}}).encode()
    async with AsyncExitStack() as stack:
        logs = stack.enter_context(capture_logs())
        service = await stack.enter_async_context(listening(answering(500, {}, body)))
        settings: dict[str, Any] = {"tts": "openai", "openai_base_url": service, "openai_api_key": "sk-key"}
        served = await stack.enter_async_context(serving(tmp_path, **settings))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        wish = {"model": "tts-1", "voice": "alloy", "input": "my card is 1234"}
        answer = await client.post(f"{served.url}/v1/audio/speech", json=wish)
    assert answer.status_code >= 500
    assert "db-7" not in answer.text
    assert answer.json()["error"]["message"] == "openai answered 500"
    (failed,) = [line for line in logs if line["event"] == "job failed"]
    assert "my card is 1234" in failed["pii.detail"]
    assert "1234" not in repr([{name: line[name] for name in line if not name.startswith("pii.")} for line in logs])
