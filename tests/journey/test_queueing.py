"""Who waits for whom: callers of services for nobody, live turns for no recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from antiphon.audio.wav import write_wav
from antiphon.entities.priority import PATIENT
from tests.fakes.openai_server import OpenAiServer
from tests.fakes.openai_stt_server import OpenAiSttServer
from tests.fakes.openai_stt_server import Stall as StallStt
from tests.fakes.openai_tts_server import OpenAiTtsServer
from tests.fakes.openai_tts_server import Stall as StallTts
from tests.fakes.sse_server import Json, Script
from tests.serving import Client, Served, recording, serving

CALLERS = 20
QUESTION = recording("spk1_snt4.wav")


class AllAtOnce(OpenAiServer):
    """Answers nobody before all callers have asked."""

    def __init__(self) -> None:
        super().__init__()
        self._all = asyncio.Event()

    async def _stream(self, answer: Any, script: Script, asked: Json) -> None:
        if self.open == CALLERS:
            self._all.set()
        async with asyncio.timeout(20):
            await self._all.wait()
        await super()._stream(answer, script, asked)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("one_certificate")
async def test_a_remote_model_answers_all_sessions_at_once(tmp_path: Path) -> None:
    async with AllAtOnce() as model, serving(tmp_path, llm="openai", openai_base_url=model.base_url) as served:

        async def ask() -> str:
            async with served.connect() as client:
                await client.say_text("hello")
                await client.send("response.create")
                return (await client.until("response.done"))["response"]["status"]

        assert await asyncio.gather(*(ask() for _ in range(CALLERS))) == ["completed"] * CALLERS
    assert model.most_open == CALLERS


async def asked_at_once(served: Served, requests: list[Any], path: str, **body: Any) -> int:
    """Return how many of the callers reach a service that answers none of them."""
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
        calls = [asyncio.create_task(client.post(path, **body)) for _ in range(CALLERS)]
        await until(lambda: len(requests) == CALLERS)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    return len(requests)


@pytest.mark.usefixtures("one_certificate")
async def test_a_remote_recogniser_and_a_remote_voice_are_called_by_all_at_once(tmp_path: Path) -> None:
    stt, tts = OpenAiSttServer(script=[StallStt()] * CALLERS), OpenAiTtsServer(script=[StallTts()] * CALLERS)
    clip = {"file": ("a.wav", write_wav(QUESTION, 24_000))}
    text = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    async with stt.running(), serving(tmp_path, stt="openai", openai_base_url=stt.base_url) as served:
        form = {"data": {"model": "whisper-1"}, "files": clip}
        assert await asked_at_once(served, stt.requests, "/v1/audio/transcriptions", **form) == CALLERS
    async with tts.running(), serving(tmp_path, tts="openai", openai_base_url=tts.base_url) as served:
        assert await asked_at_once(served, tts.requests, "/v1/audio/speech", json=text) == CALLERS


async def test_a_live_turn_is_answered_while_a_recording_is_heard(tmp_path: Path) -> None:
    long = write_wav(bytes(2 * 8_000 * 610), 8_000)  # three pieces

    async with (
        serving(tmp_path, stub_stt_ms=300, stub_llm_words=2) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as uploads,
        served.connect() as client,
    ):
        form = {"data": {"model": "whisper-1"}, "files": {"file": ("long.wav", long)}}
        upload = asyncio.create_task(uploads.post("/v1/audio/transcriptions", **form))
        await until(lambda: patient_at_work(served) == 1)
        await speak(client)
        await client.until("conversation.item.input_audio_transcription.completed")
        assert not upload.done()
        await client.send("response.create")
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        assert (await upload).status_code == 200


async def speak(client: Client) -> None:
    """Commit a turn."""
    await client.configure(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
    await client.append(QUESTION)
    await client.send("input_audio_buffer.commit")


def patient_at_work(served: Served) -> int:
    return sum(
        record.job().priority == PATIENT for record in served.process.services.shared.bus._queues._leased.values()
    )
