"""ElevenLabs' voices: the official client against a scripted service on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elevenlabs")

from antiphon.entities.speech import SpeechChunk
from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.elevenlabs.tts import ElevenLabsTts, create
from tests.fakes.elevenlabs_server import KEY, BreakOff, ElevenLabsServer, Refuse, Stall

pytestmark = pytest.mark.usefixtures("one_certificate")

GEORGE = "JBFqnCBsd6RMkjVDRZzb"
SARAH = "EXAVITQu4vr4xnSDxMaL"
CLONE = "AbCdEfGhIjKlMnOpQrSt"


@pytest.fixture
async def server() -> AsyncIterator[ElevenLabsServer]:
    async with ElevenLabsServer().running() as made:
        yield made


@pytest.fixture
async def voice(server: ElevenLabsServer, tmp_path: Path) -> AsyncIterator[ElevenLabsTts]:
    made = engine(tmp_path, server)
    yield made
    await made.close()


def engine(tmp_path: Path, server: ElevenLabsServer, *, timeout_s: float = 10.0, **settings: Any) -> ElevenLabsTts:
    given = {"elevenlabs_base_url": server.base_url, "elevenlabs_api_key": KEY, **settings}
    return create(EngineContext(tmp_path, timeout_s=timeout_s, settings=given))


async def speak(engine: ElevenLabsTts, text: str, **options: Any) -> list[SpeechChunk]:
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


def seconds(chunks: list[SpeechChunk]) -> float:
    return sum(chunk.pcm.duration_s for chunk in chunks)


async def test_the_service_is_asked_for_one_sentence_after_the_other(
    voice: ElevenLabsTts, server: ElevenLabsServer
) -> None:
    chunks = await speak(voice, "**One.** Two three.", language="pt-BR", speed=1.1, voice="Sarah")
    assert [chunk.text for chunk in chunks if chunk.text] == ["**One.**", "Two three."]
    common = {
        "voice_id": SARAH,
        "output_format": "pcm_24000",
        "model_id": "eleven_flash_v2_5",
        "language_code": "pt",
        "voice_settings": {"stability": 0.5, "similarity_boost": 0.75, "speed": 1.1},
    }
    assert server.requests == [{"text": "One.", **common}, {"text": "Two three.", **common}]


async def test_model_and_settings_are_what_was_configured(server: ElevenLabsServer, tmp_path: Path) -> None:
    voice = engine(
        tmp_path,
        server,
        elevenlabs_model="eleven_multilingual_v2",
        elevenlabs_stability=0.0,
        elevenlabs_similarity=1.0,
    )
    await speak(voice, "Hola.", language="es")
    await voice.close()
    (request,) = server.requests
    assert request["model_id"] == "eleven_multilingual_v2"
    assert request["voice_settings"] == {"stability": 0.0, "similarity_boost": 1.0, "speed": 1.0}
    assert "language_code" not in request, "this model does not take it"


@pytest.mark.parametrize(
    ("wanted", "language", "voice_id"),
    [
        (CLONE, "es", CLONE),
        ("SARAH", None, SARAH),
        ("", None, GEORGE),
        ("", "en-US", GEORGE),
        ("default", "es-MX", SARAH),
        ("default", "uk", GEORGE),
        ("../../voices", None, GEORGE),
        ("alloy", None, GEORGE),
    ],
)
async def test_the_voice_is_the_one_named_else_the_language_s_else_english(
    voice: ElevenLabsTts, server: ElevenLabsServer, wanted: str, language: str | None, voice_id: str
) -> None:
    await speak(voice, "Hello.", voice=wanted, language=language)
    assert server.requests[0]["voice_id"] == voice_id


@pytest.mark.parametrize(
    ("model", "speaks", "not_speaks"),
    [
        ("eleven_flash_v2_5", "hu", "sw"),
        ("eleven_multilingual_v2", "fil", "hu"),
        ("eleven_flash_v2", "en", "es"),
        ("eleven_v9", "sw", None),
    ],
)
def test_the_languages_are_those_of_the_model(tmp_path: Path, model: str, speaks: str, not_speaks: str | None) -> None:
    context = EngineContext(tmp_path, settings={"elevenlabs_model": model})
    capabilities = create(context).capabilities
    assert capabilities.speaks(speaks)
    assert not_speaks is None or not capabilities.speaks(not_speaks)
    assert (capabilities.name, capabilities.models) == ("elevenlabs", (model,))
    assert capabilities.is_remote
    assert capabilities.streams


async def test_chunks_hold_whole_samples_and_lose_none(voice: ElevenLabsTts, server: ElevenLabsServer) -> None:
    server.piece_bytes = 333
    chunks = await speak(voice, "One two three.")
    assert sum(len(chunk.pcm.data) for chunk in chunks) == 3 * 7_200 * 2
    assert all(len(chunk.pcm.data) % 2 == 0 for chunk in chunks)
    assert len(chunks) > 1


@pytest.mark.parametrize(("speed", "asked"), [(0.25, 0.7), (0.5, 0.7), (0.7, 0.7), (1.2, 1.2), (2.0, 1.2), (4.0, 1.2)])
async def test_what_the_service_cannot_speed_up_is_stretched(
    voice: ElevenLabsTts, server: ElevenLabsServer, speed: float, asked: float
) -> None:
    chunks = await speak(voice, "One two three four five.", speed=speed)
    assert server.requests[0]["voice_settings"]["speed"] == asked
    assert seconds(chunks) == pytest.approx(1.5 / speed, rel=0.02)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "invalid_api_key", ProviderRejected),
        (401, "quota_exceeded", ProviderRejected),
        (403, "output_format_not_allowed", ProviderRejected),
        (400, "invalid_voice_settings", ProviderRejected),
        (404, "voice_not_found", ProviderRejected),
        (400, None, ProviderRejected),
        (422, None, ProviderRejected),
        (429, "too_many_concurrent_requests", RateLimited),
        (429, "rate_limit_exceeded", RateLimited),
        (429, "system_busy", ProviderBusy),
        (429, "quota_exceeded", ProviderRejected),
        (408, None, ProviderTimeout),
        (500, None, ProviderUnavailable),
        (502, None, ProviderUnavailable),
        (503, None, ProviderBusy),
        (504, None, ProviderTimeout),
    ],
)
async def test_refusals_become_our_errors_at_once_and_are_not_tried_again(
    voice: ElevenLabsTts, server: ElevenLabsServer, status: int, code: str | None, error: type[AntiphonError]
) -> None:
    server.script = [Refuse(status, code)]
    with pytest.raises(error, match=f"elevenlabs answered {status}: (as scripted|Field required)") as caught:
        await speak(voice, "Hello.")
    assert type(caught.value) is error
    assert caught.value.code == code or error is not ProviderRejected or code is None
    assert len(server.requests) == 1
    assert (await speak(voice, "Hello again."))[0].text == "Hello again."


async def test_a_wait_that_the_service_names_is_told(voice: ElevenLabsTts, server: ElevenLabsServer) -> None:
    server.script = [Refuse(429, "too_many_concurrent_requests", headers={"Retry-After": "7"})]
    with pytest.raises(RateLimited) as caught:
        await speak(voice, "Hello.")
    assert caught.value.retry_after_s == 7.0


async def test_a_wrong_key_is_refused_with_the_service_s_own_word(server: ElevenLabsServer, tmp_path: Path) -> None:
    voice = engine(tmp_path, server, elevenlabs_api_key="sk_wrong_wrong")
    with pytest.raises(ProviderRejected) as caught:
        await speak(voice, "Hello.")
    assert caught.value.code == "invalid_api_key"
    await voice.close()


async def test_an_answer_that_breaks_off_is_an_error_behind_what_was_heard(
    voice: ElevenLabsTts, server: ElevenLabsServer
) -> None:
    server.script = [BreakOff(after_bytes=9_600)]
    heard: list[SpeechChunk] = []

    async def listen() -> None:
        async for chunk in voice.synthesize("One two three four.", SpeakOptions()):
            heard.append(chunk)  # noqa: PERF401  # what came before the error is wanted

    with pytest.raises(ProviderUnavailable, match="broke off"):
        await listen()
    assert sum(len(chunk.pcm.data) for chunk in heard) == 9_600


async def test_half_a_sentence_is_not_stretched_into_a_whole_one(
    voice: ElevenLabsTts, server: ElevenLabsServer
) -> None:
    server.script = [BreakOff(after_bytes=9_600)]
    with pytest.raises(ProviderUnavailable, match="broke off"):
        await speak(voice, "One two three four.", speed=2.0)


async def test_a_service_that_stalls_is_given_up_at_the_deadline(server: ElevenLabsServer, tmp_path: Path) -> None:
    for after_bytes in (0, 9_600):
        server.script = [Stall(after_bytes)]
        voice = engine(tmp_path, server, timeout_s=0.3)
        with pytest.raises(ProviderTimeout):
            await speak(voice, "Hello.")
        await voice.close()


async def test_cancelling_hangs_up(voice: ElevenLabsTts, server: ElevenLabsServer) -> None:
    server.script = [Stall(after_bytes=9_600)]
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in voice.synthesize("Hello there.", SpeakOptions()):
            heard.set()

    task = asyncio.create_task(listen(), name="listener")
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await server.hung_up.wait()
    assert server.broken_off_by_client == 1


async def test_a_page_of_text_instead_of_sound_is_an_error(voice: ElevenLabsTts, server: ElevenLabsServer) -> None:
    server.script = [Refuse(200, content_type="text/html; charset=utf-8")]
    with pytest.raises(ProviderUnavailable, match="text/html"):
        await speak(voice, "Hello.")


async def test_a_service_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    voice = engine(tmp_path, ElevenLabsServer(base_url="http://127.0.0.1:9"))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await speak(voice, "Hello.")
    await voice.close()


async def test_without_a_key_it_does_not_start(server: ElevenLabsServer, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="ANTIPHON_ELEVENLABS_API_KEY") as caught:
        await engine(tmp_path, server, elevenlabs_api_key=None).start()
    assert caught.value.code == "no_api_key"


async def test_it_can_be_closed_twice_and_opened_again(voice: ElevenLabsTts, server: ElevenLabsServer) -> None:
    await voice.start()
    await voice.close()
    await voice.close()
    assert (await speak(voice, "Hello."))[0].text == "Hello."
