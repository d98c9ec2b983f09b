"""The REST doors as the official client uses them: the whole platform in one process, stub engines at its ends."""

from __future__ import annotations

import asyncio
import io
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from antiphon.app.process import process
from antiphon.app.settings import load_settings
from antiphon.audio.wav import write_wav
from antiphon.doors.server.app import HttpServer, ServerOptions
from tests.serving import serving

KEY = "sk-of-all-these-tests"
LOUD = b"".join(struct.pack("<h", 8000 if at // 30 % 2 else -8000) for at in range(24_000))
RECORDING = ("question.wav", write_wav(LOUD, 24_000))


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Server:
    """Where the platform listens."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, key: str = KEY, **options: Any) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0, timeout=20, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    stubs: dict[str, Any] = dict.fromkeys(
        ("stt", "llm", "tts", "translation", "vad", "end_of_turn", "embedding"), ("stub",)
    )
    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"), api_keys=(KEY,), stub_tts_ms=20.0, **stubs)
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with process(settings) as running:
        http = HttpServer(running.app, ServerOptions(port=0, shutdown_s=1))
        serving = asyncio.create_task(http.serve(stop=stop, ready=bound.set_result, drain=running.drain))
        yield Server(await bound)
        stop.set()
        await serving


async def test_speech_comes_back_as_a_wav_of_the_right_length(server: Server) -> None:
    async with server.client() as client:
        answer = await client.audio.speech.create(
            model="tts-1", voice="alloy", input="One two three four.", response_format="wav"
        )
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getframerate() == 24_000
        assert len(sound.readframes(10**9)) == pytest.approx(4 * 0.3 * 24_000 * 2, rel=0.02)


async def test_speech_in_the_default_format_goes_back_in_as_a_recording(server: Server) -> None:
    async with server.client() as client:
        spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there.")
        assert spoken.response.headers["content-type"] == "audio/mpeg"
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("said.mp3", spoken.content))
    assert heard.text == "hello from the stub"


async def test_speech_is_streamed_and_speed_shortens_it(server: Server) -> None:
    sizes: dict[float, int] = {}
    async with server.client() as client:
        for speed in (1.0, 2.0):
            async with client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts", voice="marin", input="One two three four.", response_format="pcm", speed=speed
            ) as answer:
                sizes[speed] = sum([len(chunk) async for chunk in answer.iter_bytes()])
    assert sizes[1.0] == pytest.approx(2 * sizes[2.0], rel=0.02)


async def test_where_nobody_names_a_speed_the_configured_one_is_spoken(tmp_path: Path) -> None:
    wish: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": "One two.", "response_format": "pcm"}
    async with serving(tmp_path, speech_speed=2.0) as served:
        async with AsyncOpenAI(api_key="none", base_url=f"{served.url}/v1", max_retries=0) as client:
            usual, slow = await client.audio.speech.create(**wish), await client.audio.speech.create(**wish, speed=1.0)
        async with served.connect() as session:
            created = await session.until("session.created")
    assert len(slow.content) == pytest.approx(2 * len(usual.content), rel=0.02)
    assert created["session"]["audio"]["output"]["speed"] == 1.5


async def test_a_recording_is_transcribed_in_every_format(server: Server) -> None:
    async with server.client() as client:
        create = client.audio.transcriptions.create
        plain = await create(model="whisper-1", file=RECORDING)
        verbose = await create(
            model="whisper-1",
            file=RECORDING,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        text = await create(model="whisper-1", file=RECORDING, response_format="text")
        srt = await create(model="whisper-1", file=RECORDING, response_format="srt")
        vtt = await create(model="whisper-1", file=RECORDING, response_format="vtt")
    assert plain.text == verbose.text == "hello from the stub"
    assert verbose.duration == pytest.approx(1.0)
    assert verbose.segments is not None
    assert verbose.segments[0].text.strip() == "hello from the stub"
    assert text.strip() == "hello from the stub"
    assert "-->" in srt
    assert vtt.startswith("WEBVTT")


async def test_every_option_of_the_client_is_accepted(server: Server) -> None:
    async with server.client() as client:
        answer = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=RECORDING,
            chunking_strategy={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
            include=["logprobs"],
            keywords=["Antiphon", "Ulm"],
            known_speaker_names=["ann"],
            known_speaker_references=["data:audio/wav;base64,UklGRg=="],
            language="en",
            languages=["en", "de"],
            prompt="A greeting.",
            response_format="json",
            temperature=0.2,
        )
    assert answer.text == "hello from the stub"


async def test_a_transcription_is_streamed(server: Server) -> None:
    async with server.client() as client:
        stream = await client.audio.transcriptions.create(model="gpt-4o-transcribe", file=RECORDING, stream=True)
        events = [event async for event in stream]
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"
    assert deltas == events[-1].text == "hello from the stub"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_translation_is_text(server: Server) -> None:
    async with server.client() as client:
        answer = await client.audio.translations.create(model="whisper-1", file=RECORDING)
    assert answer.text == "hello from the stub"


async def test_models_are_listed_and_an_unknown_one_is_not_found(server: Server) -> None:
    async with server.client() as client:
        names = [model.id async for model in client.models.list()]
        assert "stub-tts" in names
        assert (await client.models.retrieve("stub-tts")).owned_by == "stub"
        with pytest.raises(openai.NotFoundError) as missing:
            await client.models.retrieve("gpt-9")
    assert missing.value.code == "model_not_found"


async def test_errors_reach_the_client_as_its_own_classes(server: Server) -> None:
    async with server.client() as client:
        with pytest.raises(openai.BadRequestError) as bad:
            await client.audio.speech.create(model="tts-1", voice="alloy", input="x", speed=9.0)
        with pytest.raises(openai.BadRequestError) as diarized:
            await client.audio.transcriptions.create(
                model="gpt-4o-transcribe-diarize", file=RECORDING, response_format="diarized_json"
            )
    async with server.client("sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await stranger.models.list()
    assert (bad.value.param, bad.value.type) == ("speed", "invalid_request_error")
    assert diarized.value.param == "response_format"
    assert unknown.value.code == "invalid_api_key"


async def test_a_client_secret_opens_a_session_with_its_configuration(server: Server) -> None:
    async with server.client() as client:
        secret = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "realtime", "instructions": "Speak like a pirate.", "output_modalities": ["text"]},
        )
    async with server.client(secret.value) as browser:
        async with browser.realtime.connect(model="gpt-realtime") as connection:
            created = await connection.recv()
            assert created.type == "session.created"
            assert created.session.instructions == "Speak like a pirate."
            assert created.session.output_modalities == ["text"]
        with pytest.raises(openai.PermissionDeniedError):
            await browser.models.list()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_translation_secret_and_the_retired_sessions_are_answered(server: Server) -> None:
    async with server.client() as client:
        translation = await client.realtime.translations.client_secrets.create(
            session={"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
        )
        legacy = await client.beta.realtime.sessions.create(model="gpt-4o-realtime-preview", voice="verse")
        listening = await client.beta.realtime.transcription_sessions.create()
    assert translation.session.type == "translation"
    assert legacy.client_secret.value.startswith("ek_")
    assert legacy.voice == "verse"
    assert listening.client_secret.value.startswith("ek_")


async def test_fifty_callers_at_once_are_all_served(server: Server) -> None:
    async with server.client() as client:
        answers = await asyncio.gather(
            *(
                client.audio.speech.create(model="tts-1", voice="alloy", input="One two.", response_format="pcm")
                for _ in range(50)
            )
        )
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
    assert len(answers[0].content) > 20_000
