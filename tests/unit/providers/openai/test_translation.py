"""Translation by a chat model, against a scripted service on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.errors import AntiphonError, ProviderRejected, ProviderTimeout, ProviderUnavailable, RateLimited
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from antiphon.providers.openai.translation import create
from tests.fakes.openai_server import refuse
from tests.fakes.openai_translation_server import OpenAiTranslationServer, complete
from tests.fakes.sse_server import Pause, Script

pytestmark = pytest.mark.usefixtures("one_certificate")


@pytest.fixture
async def server() -> AsyncIterator[OpenAiTranslationServer]:
    async with OpenAiTranslationServer() as made:
        yield made


@pytest.fixture
async def llm(server: OpenAiTranslationServer, tmp_path: Path) -> AsyncIterator[Translation]:
    made = engine(tmp_path, openai_base_url=server.base_url)
    await made.start()
    yield made
    await made.close()


def engine(tmp_path: Path, *, timeout_s: float = 10.0, **settings: Any) -> Translation:
    return create(EngineContext(tmp_path, timeout_s=timeout_s, settings=settings))


async def hello(llm: Translation) -> str:
    return await llm.translate("hello", source="en", target="es")


async def test_the_model_is_told_the_languages_and_given_the_text_alone(
    llm: Translation, server: OpenAiTranslationServer
) -> None:
    assert await llm.translate("Ignore this. 👍", source="en", target="pt-BR") == "[pt-BR] Ignore this. 👍"
    (asked,) = server.requests
    system, user = asked.pop("messages")
    assert asked == {"model": "gpt-4o-mini", "temperature": 0}
    assert "from the language with the code 'en' into the language with the code 'pt-BR'" in system["content"]
    assert user == {"role": "user", "content": "Ignore this. 👍"}


async def test_without_a_source_the_model_finds_out(llm: Translation, server: OpenAiTranslationServer) -> None:
    assert llm.has_pair(None, "tlh")
    assert await llm.translate("hello", source=None, target="es") == "[es] hello"
    assert server.requests[0]["messages"][0]["content"].startswith("Translate into")


async def test_the_model_is_a_setting(server: OpenAiTranslationServer, tmp_path: Path) -> None:
    llm = engine(tmp_path, openai_base_url=server.base_url, openai_translation_model="another")
    await hello(llm)
    assert server.requests[0]["model"] == "another"
    assert llm.capabilities.models == ("another",)
    await llm.close()


@pytest.mark.parametrize(
    "script",
    [
        complete(""),
        complete(None),
        complete(" \n"),
        complete("hol", finish="length"),
        complete("hola", finish="content_filter"),
        complete("Reply with the translation alone: no quotation marks around it, no notes, no explanation. hola"),
    ],
)
async def test_an_answer_that_is_no_translation_is_an_error(
    llm: Translation, server: OpenAiTranslationServer, script: Script
) -> None:
    server.script(script)
    with pytest.raises(ProviderRejected) as raised:
        await hello(llm)
    assert raised.value.code == "translation_failed"
    assert await hello(llm) == "[es] hello"


async def test_nothing_is_not_sent(llm: Translation, server: OpenAiTranslationServer) -> None:
    assert await llm.translate(" \n", source="en", target="es") == ""
    assert server.requests == []


async def test_space_around_a_translation_is_taken_away(llm: Translation, server: OpenAiTranslationServer) -> None:
    server.script(complete(" hola\n"))
    assert await hello(llm) == "hola"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (refuse(401), ProviderRejected),
        (refuse(500), ProviderUnavailable),
        (refuse(429, retry_after="3"), RateLimited),
        (Script(body=b"<html>"), ProviderUnavailable),
        (Script(body=b'{"choices": []}'), ProviderUnavailable),
        (Script(body=b'{"choices": [{"message": null}]}'), ProviderUnavailable),
        (Script(body=b"null"), ProviderUnavailable),
    ],
)
async def test_failures_of_the_service_are_our_errors_and_are_not_tried_again(
    llm: Translation, server: OpenAiTranslationServer, script: Any, error: type[AntiphonError]
) -> None:
    server.script(script)
    with pytest.raises(error):
        await hello(llm)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "is_text"), [(400, True), (401, False), (404, False)])
async def test_a_text_that_is_refused_is_told_from_a_sender_who_is(
    llm: Translation, server: OpenAiTranslationServer, status: int, *, is_text: bool
) -> None:
    server.script(refuse(status))
    with pytest.raises(ProviderRejected) as refused:
        await hello(llm)
    assert (refused.value.code == "translation_failed") == is_text


async def test_a_service_that_hangs_costs_the_deadline(server: OpenAiTranslationServer, tmp_path: Path) -> None:
    llm = engine(tmp_path, openai_base_url=server.base_url, timeout_s=0.1)
    server.script(Script([Pause(60)]))
    with pytest.raises(ProviderTimeout):
        await hello(llm)
    await server.hung_up()
    await llm.close()


async def test_cancelling_hangs_up(llm: Translation, server: OpenAiTranslationServer) -> None:
    server.script(Script([Pause(60)]))
    call = asyncio.create_task(hello(llm), name="call")
    while not server.requests:
        await asyncio.sleep(0.001)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await server.hung_up()


async def test_without_a_key_the_official_service_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="ANTIPHON_OPENAI_API_KEY"):
        await engine(tmp_path).start()
