"""Conversations in which an engine fails: the client hears of it in the words of the protocol, and may go on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import recording, serving, silence

QUESTION = recording("spk1_snt4.wav")


@pytest.fixture
def unreachable() -> Iterator[dict[str, Any]]:
    """Settings of an OpenAI-compatible service that nobody runs; its port is taken, so nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield {"openai_base_url": f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "openai_api_key": "sk-none"}


async def test_speech_that_cannot_be_transcribed_is_told_and_not_answered(
    tmp_path: Path, unreachable: dict[str, Any]
) -> None:
    async with serving(tmp_path, stt="openai", **unreachable) as served, served.connect() as client:
        await client.until("session.created")
        await client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await client.append(QUESTION + silence(1))
        item = (await client.until("conversation.item.done"))["item"]
        failed = await client.until("conversation.item.input_audio_transcription.failed")
        assert failed["item_id"] == item["id"]
        assert failed["error"]["code"] == "provider_unavailable"
        await client.quiet()
        await client.send("conversation.item.retrieve", item_id=item["id"])
        assert (await client.until("conversation.item.retrieved"))["item"]["content"][0]["transcript"] is None


async def test_an_answer_to_speech_that_nobody_understood_fails_and_says_why(
    tmp_path: Path, unreachable: dict[str, Any]
) -> None:
    async with serving(tmp_path, stt="openai", **unreachable) as served, served.connect() as client:
        await client.until("session.created")
        await client.configure(instructions="", audio={"input": {"turn_detection": None}})
        await client.append(QUESTION)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        response = (await client.until("response.done"))["response"]
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"] == "transcription_failed"


async def test_a_language_model_that_fails_ends_its_response_and_not_the_session(
    tmp_path: Path, unreachable: dict[str, Any]
) -> None:
    settings = {"llm": "openai", "realtime_apology": "", **unreachable}
    async with serving(tmp_path, **settings) as served, served.connect() as client:
        await client.until("session.created")
        for _ in range(2):
            await client.say_text("hello")
            await client.send("response.create")
            response = (await client.until("response.done"))["response"]
            assert response["status"] == "failed"
            assert response["status_details"]["error"]["code"] == "provider_unavailable"
            assert response["output"] == []


async def test_a_voice_that_fails_leaves_the_answer_in_words(tmp_path: Path, unreachable: dict[str, Any]) -> None:
    async with serving(tmp_path, tts="openai", **unreachable) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("hello")
        await client.send("response.create")
        response = (await client.until("response.done"))["response"]
        assert response["status"] == "completed"
        assert len(response["output"][0]["content"][0]["transcript"].split()) == 20
        assert client.audio() == b""


async def test_a_chain_goes_on_to_the_next_engine(tmp_path: Path, unreachable: dict[str, Any]) -> None:
    async with serving(tmp_path, llm="openai,stub", **unreachable) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("hello")
        await client.send("response.create")
        assert (await client.until("response.done"))["response"]["status"] == "completed"
