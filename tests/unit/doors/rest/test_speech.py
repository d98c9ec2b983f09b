from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from typing import Any

import httpx
import numpy as np
import pytest

from antiphon.audio.containers import decode
from antiphon.errors import ProviderBusy, ProviderRejected, ProviderUnavailable
from antiphon.wire.jobs import Speak
from tests.unit.doors.rest_stage import Script, hung_up, stage, until

TEXT = {"input": "Hello there.", "model": "tts-1", "voice": "alloy"}


async def test_pcm_is_the_samples_as_they_were_made() -> None:
    async with stage() as run:
        answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": "pcm"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "audio/pcm"
        assert answer.content == b"".join(run.script.pieces)
        assert "content-length" not in answer.headers


async def test_wav_can_be_read_although_its_length_was_unknown() -> None:
    async with stage() as run:
        answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": "wav"})
        with wave.open(io.BytesIO(answer.content)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
            assert sound.readframes(10**9) == b"".join(run.script.pieces)


async def test_the_job_says_what_the_client_asked_for() -> None:
    wish = {**TEXT, "voice": {"id": "ann"}, "speed": 1.5, "instructions": "Cheerful.", "response_format": "pcm"}
    async with stage() as run:
        await run.client.post("/v1/audio/speech", json=wish)
        (job,) = run.script.jobs
    assert job.work == Speak(
        "Hello there.", voice="ann", speed=1.5, instructions="Cheerful.", model="tts-1", rate_hz=24_000
    )
    assert job.queue == "speak"
    assert job.correlation_id.startswith("req_")


async def test_nulls_are_defaults() -> None:
    wish = {**TEXT, "speed": None, "instructions": None, "stream_format": None, "response_format": "pcm"}
    async with stage() as run:
        assert (await run.client.post("/v1/audio/speech", json=wish)).status_code == 200
        assert isinstance(run.script.jobs[0].work, Speak)
        assert run.script.jobs[0].work.speed == 1.0


@pytest.mark.parametrize("absent", [{}, {"voice": "", "speed": None}])
async def test_absent_fields_have_the_values_of_the_settings(absent: dict[str, Any]) -> None:
    async with stage(speech_voice="ben", speech_speed=1.25) as run:
        for wish in (absent, {"voice": "ann", "speed": 1.0}):
            await run.client.post("/v1/audio/speech", json={"input": "Hello.", **wish})
        works = [job.work for job in run.script.jobs if isinstance(job.work, Speak)]
    assert [(work.voice, work.speed) for work in works] == [("ben", 1.25), ("ann", 1.0)]


@pytest.mark.parametrize("wanted", ["pcm", "wav"])
async def test_the_first_bytes_come_before_the_speech_is_done(wanted: str) -> None:
    hold = asyncio.Event()
    wish = {**TEXT, "response_format": wanted}
    async with (
        stage(Script(hold=hold)) as run,
        run.client.stream("POST", "/v1/audio/speech", json=wish) as answer,
    ):
        chunks = answer.aiter_bytes()
        first = await anext(chunks)
        assert first
        hold.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert (first + rest).endswith(b"".join(run.script.pieces))


async def test_sse_carries_deltas_and_ends_with_usage() -> None:
    async with stage() as run:
        wish = {**TEXT, "response_format": "pcm", "stream_format": "sse"}
        answer = await run.client.post("/v1/audio/speech", json=wish)
    assert answer.headers["content-type"] == "text/event-stream"
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events] == ["speech.audio.delta", "speech.audio.delta", "speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == b"".join(run.script.pieces)
    assert events[-1]["usage"] == {"input_tokens": 3, "output_tokens": 8, "total_tokens": 11}


@pytest.mark.parametrize("wanted", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_text_that_gives_no_sound_is_a_file_with_a_moment_of_silence(wanted: str, stream_format: str) -> None:
    wish = {**TEXT, "input": "😊", "response_format": wanted, "stream_format": stream_format}
    async with stage(Script(pieces=())) as run:
        answer = await run.client.post("/v1/audio/speech", json=wish)
    assert answer.status_code == 200
    data = answer.content
    if stream_format == "sse":
        *deltas, done = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
        data = b"".join(base64.b64decode(event["audio"]) for event in deltas)
        assert done["type"] == "speech.audio.done"
    samples = np.frombuffer(data if wanted == "pcm" else decode(data, 24_000).data, "<i2")
    assert 0.2 < len(samples) / 24_000 < 0.4
    assert np.abs(samples).max() < 10


async def test_a_client_that_hangs_up_cancels_the_job() -> None:
    async with stage(Script(hold=asyncio.Event())) as run:
        async with run.client.stream("POST", "/v1/audio/speech", json={**TEXT, "response_format": "pcm"}) as answer:
            await anext(answer.aiter_bytes())
        await until(lambda: bool(run.script.cancelled))
        assert run.script.cancelled == [run.script.jobs[0].id]


async def test_a_client_that_hangs_up_before_the_first_sound_cancels_the_job() -> None:
    async with stage(Script(hold=asyncio.Event(), hold_first=True)) as run:
        await hung_up(run, run.client.post("/v1/audio/speech", json=TEXT | {"response_format": "pcm"}))
        await until(lambda: bool(run.script.cancelled))
        assert len(run.script.cancelled) == 1


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (ProviderRejected("no quota"), 502, "api_error", "provider_rejected"),
        (ProviderBusy("full"), 503, "overloaded_error", "provider_busy"),
        (ProviderUnavailable("gone"), 503, "api_error", "provider_unavailable"),
    ],
)
async def test_an_engine_that_fails_at_once_is_an_error_with_its_status(
    error: ProviderRejected, status: int, kind: str, code: str
) -> None:
    async with stage(Script(fails_with=error)) as run:
        answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": "pcm"})
    assert answer.status_code == status
    assert answer.json() == {"error": {"message": error.message, "type": kind, "param": None, "code": code}}


async def test_an_engine_that_fails_midway_cuts_the_connection() -> None:
    async with stage(Script(fails_with=ProviderUnavailable("gone"), fails_after=1)) as run:
        with pytest.raises(httpx.RemoteProtocolError):
            await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": "pcm"})


async def test_an_engine_that_fails_midway_ends_a_stream_of_events_with_the_error() -> None:
    async with stage(Script(fails_with=ProviderUnavailable("gone"), fails_after=1)) as run:
        wish = {**TEXT, "response_format": "pcm", "stream_format": "sse"}
        answer = await run.client.post("/v1/audio/speech", json=wish)
    last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "provider_unavailable"


async def test_work_that_takes_too_long_is_a_timeout_and_is_cancelled() -> None:
    async with stage(Script(hold=asyncio.Event(), hold_first=True), timeout_s=0.2) as run:
        answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": "pcm"})
        assert answer.status_code == 504
        assert answer.json()["error"]["type"] == "timeout_error"
        await until(lambda: run.script.cancelled == [job.id for job in run.script.jobs])


@pytest.mark.parametrize(
    ("wanted", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        (None, "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
async def test_every_format_can_be_decoded_again(wanted: str | None, media_type: str) -> None:
    tone = (np.sin(np.arange(24_000) * 2 * np.pi * 440 / 24_000) * 8000).astype("<i2").tobytes()
    async with stage(Script(pieces=[tone[at : at + 9600] for at in range(0, len(tone), 9600)])) as run:
        answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": wanted})
    assert answer.headers["content-type"] == media_type
    sound = decode(answer.content, 24_000)
    assert sound.duration_s == pytest.approx(1.0, abs=0.12)
    loudness = np.sqrt(np.mean(np.frombuffer(sound.data, "<i2").astype(float) ** 2))
    assert loudness == pytest.approx(8000 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("wanted", ["mp3", "opus", "aac", "flac"])
async def test_coded_audio_comes_before_the_speech_is_done(wanted: str) -> None:
    hold = asyncio.Event()
    wish = {**TEXT, "response_format": wanted}
    tone = (np.sin(np.arange(24_000) / 9) * 8000).astype("<i2").tobytes()
    async with (
        stage(Script(pieces=(tone, tone), hold=hold)) as run,
        run.client.stream("POST", "/v1/audio/speech", json=wish) as answer,
    ):
        chunks = answer.aiter_bytes()
        assert len(await anext(chunks)) > 0
        hold.set()
        assert sum([len(chunk) async for chunk in chunks]) > 0


async def test_speech_without_sound_is_a_whole_file_in_every_format() -> None:
    async with stage(Script(pieces=())) as run:
        for wanted in ("mp3", "opus", "aac", "flac", "wav"):
            answer = await run.client.post("/v1/audio/speech", json={**TEXT, "response_format": wanted})
            assert answer.status_code == 200
