"""OpenAI's voices against a scripted service on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from antiphon.entities.speech import SpeechChunk
from antiphon.errors import AntiphonError, ProviderBusy, ProviderRejected, ProviderTimeout, ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.openai.tts import OpenAiTts, create
from tests.fakes.openai_tts_server import BreakOff, OpenAiTtsServer, Refuse, Stall

pytestmark = pytest.mark.usefixtures("one_certificate")


@pytest.fixture
async def server() -> AsyncIterator[OpenAiTtsServer]:
    async with OpenAiTtsServer().running() as made:
        yield made


@pytest.fixture
async def voice(server: OpenAiTtsServer, tmp_path: Path) -> AsyncIterator[OpenAiTts]:
    made = engine(tmp_path, openai_base_url=server.base_url, openai_tts_model="gpt-tts")
    yield made
    await made.close()


def engine(tmp_path: Path, *, timeout_s: float = 10.0, **settings: Any) -> OpenAiTts:
    return create(EngineContext(tmp_path, timeout_s=timeout_s, settings=settings))


async def speak(engine: OpenAiTts, text: str, **options: Any) -> list[SpeechChunk]:
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


async def test_the_service_is_asked_for_one_sentence_after_the_other(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    await speak(voice, "**One.** Two three.", voice="nova", speed=1.5, instructions="Whisper.")
    common = {"model": "gpt-tts", "voice": "nova", "response_format": "pcm", "speed": 1.5, "instructions": "Whisper."}
    assert server.requests == [{"input": "One.", **common}, {"input": "Two three.", **common}]


async def test_what_is_not_wished_for_is_not_sent(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    await speak(voice, "Hello.")
    assert server.requests == [{"input": "Hello.", "model": "gpt-tts", "voice": "alloy", "response_format": "pcm"}]


async def test_chunks_hold_whole_samples_and_lose_none(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    server.piece_bytes = 333
    chunks = await speak(voice, "One two three.")
    assert sum(len(chunk.pcm.data) for chunk in chunks) == 3 * 7_200 * 2
    assert all(len(chunk.pcm.data) % 2 == 0 for chunk in chunks)
    assert [chunk.text for chunk in chunks if chunk.text] == ["One two three."]


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "invalid_api_key", ProviderRejected),
        (403, None, ProviderRejected),
        (400, "invalid_voice", ProviderRejected),
        (404, None, ProviderRejected),
        (429, "rate_limit_exceeded", ProviderBusy),
        (429, "insufficient_quota", ProviderRejected),
        (408, None, ProviderTimeout),
        (500, None, ProviderUnavailable),
        (503, None, ProviderBusy),
        (504, None, ProviderTimeout),
    ],
)
async def test_refusals_become_our_errors_at_once_and_are_not_tried_again(
    voice: OpenAiTts, server: OpenAiTtsServer, status: int, code: str | None, error: type[AntiphonError]
) -> None:
    server.script = [Refuse(status, code)]
    with pytest.raises(error) as caught:
        await speak(voice, "Hello.")
    assert type(caught.value) is error
    assert len(server.requests) == 1
    assert (await speak(voice, "Hello again."))[0].text == "Hello again."


async def test_an_answer_that_breaks_off_is_an_error_behind_what_was_heard(
    voice: OpenAiTts, server: OpenAiTtsServer
) -> None:
    server.script = [BreakOff(after_bytes=9_602)]
    heard: list[SpeechChunk] = []

    async def listen() -> None:
        async with aclosing(voice.synthesize("One two three four.", SpeakOptions())) as chunks:
            async for chunk in chunks:
                heard.append(chunk)  # noqa: PERF401  # what came before the error is wanted

    with pytest.raises(ProviderUnavailable):
        await listen()
    assert sum(len(chunk.pcm.data) for chunk in heard) == 9_602


async def test_a_service_that_stalls_is_given_up_at_the_deadline(server: OpenAiTtsServer, tmp_path: Path) -> None:
    for after_bytes in (0, 9_602):
        server.script = [Stall(after_bytes)]
        voice = engine(tmp_path, timeout_s=0.3, openai_base_url=server.base_url)
        with pytest.raises(ProviderTimeout):
            await speak(voice, "Hello.")
        await voice.close()


async def test_closing_the_stream_hangs_up(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    server.script = [Stall(after_bytes=9_602)]
    async with aclosing(voice.synthesize("Hello there.", SpeakOptions())) as chunks:
        await anext(chunks)
    for _ in range(100):
        if server.broken_off_by_client:
            break
        await asyncio.sleep(0.01)
    assert server.broken_off_by_client == 1


async def test_a_page_of_text_instead_of_sound_is_an_error(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    server.script = [Refuse(200, content_type="text/html; charset=utf-8")]
    with pytest.raises(ProviderUnavailable, match="text/html"):
        await speak(voice, "Hello.")


async def test_a_service_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    voice = engine(tmp_path, openai_base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailable):
        await speak(voice, "Hello.")
    await voice.close()


async def test_openai_itself_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="ANTIPHON_OPENAI_API_KEY"):
        await engine(tmp_path).start()


async def test_a_service_of_ones_own_may_have_other_voices(voice: OpenAiTts, server: OpenAiTtsServer) -> None:
    await speak(voice, "Hello.", voice="af_heart")
    assert server.requests[0]["voice"] == "af_heart"
