"""OpenAI's recogniser: what is sent, how answers are read, which errors become which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest

from antiphon.audio.wav import read_wav
from antiphon.entities.speech import Pcm, Transcript
from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.openai.stt import OpenAiStt, create
from tests.fakes.openai_stt_server import TEXT, Answer, BreakOff, OpenAiSttServer, Refuse, Stall

pytestmark = pytest.mark.usefixtures("one_certificate")

SPEECH = Pcm((np.sin(np.arange(24_000)) * 9_000).astype("<i2").tobytes(), 24_000)


@pytest.fixture
async def server() -> AsyncIterator[OpenAiSttServer]:
    async with OpenAiSttServer().running() as running:
        yield running


def engine_for(server: OpenAiSttServer, tmp_path: Any, **settings: Any) -> OpenAiStt:
    timeout_s = settings.pop("timeout_s", 5.0)
    return create(
        EngineContext(tmp_path, timeout_s=timeout_s, settings={"openai_base_url": server.base_url, **settings})
    )


async def transcribe(engine: OpenAiStt, audio: Pcm = SPEECH, **options: Any) -> Transcript:
    await engine.start()
    try:
        *_, last = [event async for event in engine.transcribe(audio, TranscribeOptions(**options))]
    finally:
        await engine.close()
    assert isinstance(last, Transcript)
    return last


async def test_a_wav_of_the_same_rate_and_the_wishes_are_sent(server: OpenAiSttServer, tmp_path: Any) -> None:
    engine = engine_for(server, tmp_path, openai_stt_model="whisper-large")
    transcript = await transcribe(engine, language="fr", prompt="Elinor", temperature=0.5, word_timestamps=True)
    [request] = server.requests
    wav = read_wav(request.wav)
    assert (wav.data, wav.rate_hz) == (SPEECH.data, 24_000)
    assert request.path == "/v1/audio/transcriptions"
    assert request.fields == {
        "model": ["whisper-large"],
        "language": ["fr"],
        "prompt": ["Elinor"],
        "temperature": ["0.5"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["segment", "word"],
    }
    assert transcript.language == "fr"
    assert [word.text for word in transcript.segments[0].words] == TEXT.split()


async def test_what_is_not_wished_is_not_sent(server: OpenAiSttServer, tmp_path: Any) -> None:
    await transcribe(engine_for(server, tmp_path))
    assert set(server.requests[0].fields) == {
        "model",
        "response_format",
        "temperature",
        "timestamp_granularities[]",
    }


async def test_models_without_times_give_one_segment(server: OpenAiSttServer, tmp_path: Any) -> None:
    transcript = await transcribe(engine_for(server, tmp_path, openai_stt_model="gpt-4o-transcribe"), language="en")
    assert server.requests[0].fields["response_format"] == ["json"]
    assert transcript.text == TEXT
    assert [(segment.text, segment.end_s) for segment in transcript.segments] == [(TEXT, 1.0)]


async def test_translation_has_its_own_path_and_answers_in_english(server: OpenAiSttServer, tmp_path: Any) -> None:
    transcript = await transcribe(engine_for(server, tmp_path), language="fr", translate=True, prompt="Elinor")
    [request] = server.requests
    assert request.path == "/v1/audio/translations"
    assert request.fields["prompt"] == ["Elinor"]
    assert "language" not in request.fields
    assert transcript.language == "en"
    assert transcript.text == TEXT


@pytest.mark.parametrize("audio", [Pcm(b"", 16_000), Pcm(bytes(64_000), 16_000), Pcm(SPEECH.data[:2_000], 24_000)])
async def test_silence_is_not_sent_anywhere(server: OpenAiSttServer, tmp_path: Any, audio: Pcm) -> None:
    assert (await transcribe(engine_for(server, tmp_path), audio)).text == ""
    assert server.requests == []


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Refuse(401, "invalid_api_key"), ProviderRejected),
        (Refuse(403), ProviderRejected),
        (Refuse(404), ProviderRejected),
        (Refuse(400), ProviderRejected),
        (Refuse(429, "rate_limit_exceeded"), ProviderBusy),
        (Refuse(429, "insufficient_quota"), ProviderRejected),
        (Refuse(500), ProviderUnavailable),
        (Refuse(503), ProviderBusy),
        (Refuse(504), ProviderTimeout),
        (BreakOff(), ProviderUnavailable),
        (Answer(b"<html>", "text/html"), ProviderUnavailable),
        (Answer(b"{"), ProviderUnavailable),
        (Answer(b"{}"), ProviderUnavailable),
        (Answer(b"[]"), ProviderUnavailable),
        (Answer(b'{"text": 3}'), ProviderUnavailable),
        (Answer(b'{"text": "a", "segments": [{"id": 1}]}'), ProviderUnavailable),
        (Answer(b'{"text": "a", "segments": 7, "words": "x"}'), ProviderUnavailable),
    ],
)
async def test_each_failure_is_an_error_of_ours_after_one_request(
    server: OpenAiSttServer, tmp_path: Any, step: Any, error: type[AntiphonError]
) -> None:
    server.script.append(step)
    with pytest.raises(AntiphonError) as raised:
        await transcribe(engine_for(server, tmp_path))
    assert raised.type is error
    assert len(server.requests) == 1


async def test_a_service_that_does_not_answer_is_a_time_out(server: OpenAiSttServer, tmp_path: Any) -> None:
    server.script.append(Stall())
    with pytest.raises(ProviderTimeout):
        await transcribe(engine_for(server, tmp_path, timeout_s=0.1))


async def test_a_service_has_as_much_more_time_as_the_audio_lasts(server: OpenAiSttServer, tmp_path: Any) -> None:
    server.script.append(Stall(0.3))
    minute = Pcm(SPEECH.data * 60, SPEECH.rate_hz)
    assert (await transcribe(engine_for(server, tmp_path, timeout_s=0.1), minute)).text == TEXT


async def test_a_service_that_is_not_there_is_unavailable(tmp_path: Any) -> None:
    gone = OpenAiSttServer(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailable):
        await transcribe(engine_for(gone, tmp_path))


async def test_segments_keep_their_times_and_beliefs(server: OpenAiSttServer, tmp_path: Any) -> None:
    segments = [
        {"start": 0, "end": 1.5, "text": " One.", "avg_logprob": -0.3, "no_speech_prob": 0.1},
        {"start": 1.5, "end": 2, "text": " Two."},
        {"start": 2, "end": 2.5, "text": " "},
        {"start": 2.5, "end": 4, "text": "", "recognized": False},
    ]
    words = [{"word": "One", "start": 0.1, "end": 0.9}, {"word": "Two", "start": 1.6, "end": 1.9}]
    answer = {"text": " One. Two. ", "language": "German", "segments": segments, "words": words}
    server.script.append(Answer(msgspec.json.encode(answer)))
    transcript = await transcribe(engine_for(server, tmp_path), word_timestamps=True)
    assert transcript.text == "One. Two."
    assert transcript.language == "de"
    first, second, unknown = transcript.segments
    assert (first.text, first.start_s, first.end_s, first.average_logprob) == ("One.", 0.0, 1.5, -0.3)
    assert (second.text, second.no_speech_probability) == ("Two.", 0.0)
    assert (unknown.text, unknown.start_s, unknown.end_s) == ("", 2.5, 4.0)
    assert [[word.text for word in segment.words] for segment in transcript.segments] == [["One"], ["Two"], []]


async def test_without_a_key_the_official_service_is_not_even_asked(tmp_path: Any) -> None:
    engine = create(EngineContext(tmp_path))
    with pytest.raises(ProviderUnavailable, match="OPENAI_API_KEY"):
        await engine.start()
