"""Texts in scripts that the first voice of the chain cannot read, and texts without words, over every API."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pybase64
import pytest
import pytest_asyncio
import websockets

from tests.dubbing import audio_of, tone, worker
from tests.fakes.openai_server import OpenAiServer, say
from tests.journey.test_translation import send, speak, until
from tests.serving import Client, Served, recording, serving, silence

pytest.importorskip("hibari")
pytest.importorskip("espeakng_loader")
pytestmark = pytest.mark.asyncio(loop_scope="module")

JAPANESE = "今日はとても良い天気ですね。"
HALF_A_SECOND = 24_000
"""In bytes, at 24 kHz."""


class Stage:
    """A server with the default voices, whose user says `JAPANESE`, and the model that answers there."""

    def __init__(self, served: Served, model: OpenAiServer) -> None:
        self.served = served
        self.model = model

    async def post(self, text: str, wanted: str = "pcm") -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            body = {"model": "tts-1", "voice": "alloy", "input": text, "response_format": wanted}
            return await client.post(f"{self.served.url}/v1/audio/speech", json=body)

    async def answer(self, client: Client, text: str) -> tuple[dict[str, Any], bytes]:
        """Have the model say ``text``; return the response and its sound."""
        self.model.script(say(text))
        await client.say_text("hello")
        await client.send("response.create")
        done = await client.until("response.done")
        return done["response"], client.audio()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("data")
    async with (
        OpenAiServer() as model,
        serving(
            folder,
            tts="hibari,espeak",
            llm="openai",
            openai_base_url=model.base_url,
            openai_api_key="sk-any",
            stub_text=JAPANESE,
        ) as served,
    ):
        yield Stage(served, model)


@pytest.mark.parametrize(
    "text",
    [
        JAPANESE,
        "오늘은 날씨가 아주 좋습니다.",
        "今天天气非常好，我们去公园吧。",
        "الطقس جميل جدا اليوم.",
        "आज मौसम बहुत अच्छा है।",
        "מזג האוויר יפה מאוד היום.",
        "วันนี้อากาศดีมาก",
        "Сегодня очень хорошая погода.",
        "Ο καιρός είναι πολύ καλός σήμερα.",
    ],
)
async def test_a_text_in_another_script_is_spoken(stage: Stage, text: str) -> None:
    answer = await stage.post(text)
    assert answer.status_code == 200
    assert len(answer.content) >= HALF_A_SECOND


async def test_both_halves_of_a_text_that_mixes_scripts_are_spoken(stage: Stage) -> None:
    english, russian = "Good morning to all of you.", "Сегодня очень хорошая погода."
    halves = [len((await stage.post(text)).content) for text in (english, russian)]
    assert len((await stage.post(f"{english} {russian}")).content) == pytest.approx(sum(halves), rel=0.05)


async def test_a_text_that_no_voice_reads_is_refused_by_its_field(stage: Stage) -> None:
    answer = await stage.post("Hello there. ᚠᚢᚦᚨᚱᚲ.", "mp3")
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "input", "language_not_supported")


@pytest.mark.parametrize("text", ["😊", "...", "   "])
async def test_a_text_without_words_is_a_moment_of_silence(stage: Stage, text: str) -> None:
    answer = await stage.post(text, "wav")
    assert answer.status_code == 200
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert 0 < len(sound.readframes(10**9)) < HALF_A_SECOND


async def test_a_conversation_is_answered_in_the_script_of_the_answer(stage: Stage) -> None:
    async with stage.served.connect() as client:
        await client.until("session.created")
        response, sound = await stage.answer(client, f"Of course. {JAPANESE}")
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["transcript"] == f"Of course. {JAPANESE}"
        alone = len((await stage.post("Of course.")).content)
        assert len(sound) >= alone + HALF_A_SECOND


@pytest.mark.parametrize("text", ["😊", "...", "ᚠᚢᚦᚨᚱᚲ."])
async def test_an_answer_that_cannot_be_said_completes_with_its_transcript(stage: Stage, text: str) -> None:
    async with stage.served.connect() as client:
        await client.until("session.created")
        response, sound = await stage.answer(client, text)
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["transcript"] == text
        assert sound == b""
        response, sound = await stage.answer(client, "All is well.")
        assert response["status"] == "completed"
        assert len(sound) >= HALF_A_SECOND


async def test_a_translation_is_spoken_in_its_script_whatever_the_target(stage: Stage) -> None:
    async with websockets.connect(f"{stage.served.ws}/v1/realtime/translations") as socket:
        await send(socket, "session.update", session={"audio": {"output": {"language": "en"}}})
        await speak(socket, recording("spk1_snt4.wav") + silence(1))
        await send(socket, "session.close")
        events = await until(socket, "session.closed")
    sound = b"".join(pybase64.b64decode(event["delta"]) for event in events if event["type"].endswith("audio.delta"))
    assert len(sound) >= 4 * HALF_A_SECOND, "the stub's mark of the target alone takes less"


async def test_a_fragment_is_dubbed_in_the_script_of_its_translation(stage: Stage) -> None:
    length_ms = 8_000
    config = {"source_language": "es", "target_language": "en"}
    async with worker(stage.served.url) as one:
        await one.begin(config)
        audio = one.fragment(0, data=tone(length_ms))["audio"] | {"duration_ms": length_ms}
        await one.offer(0, audio=audio)
        result = await one.next("fragment:processed", within_s=20)
    assert result["status"] in ("success", "partial"), result
    assert result["metadata"]["tts_model"] == "espeak-ng"
    assert any(audio_of(result))
