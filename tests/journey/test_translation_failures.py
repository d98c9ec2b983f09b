"""Translation sessions in which something fails, ends early, or is no event at all."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.journey.test_translation import send, speak, until
from tests.serving import Served, recording, serving, silence

UTTERANCE = recording("spk1_snt4.wav") + silence(1)
HEARD = {"input": {"transcription": {"model": "whisper-1"}}}


@pytest.fixture
def unreachable() -> Iterator[dict[str, Any]]:
    """Settings of an OpenAI-compatible service that nobody runs; its port is taken, so nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield {"openai_base_url": f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "openai_api_key": "sk-none"}


def opened(served: Served) -> Any:
    return websockets.connect(f"{served.ws}/v1/realtime/translations")


async def translated(served: Served, times: int = 2) -> list[str]:
    """Say something so many times; return the kinds of what comes of it, neighbouring equal ones once."""
    async with opened(served) as client:
        await until(client, "session.created")
        await send(client, "session.update", session={"audio": HEARD})
        await until(client, "session.updated")
        await speak(client, UTTERANCE * times)
        await send(client, "session.close")
        kinds = [event["type"] for event in await until(client, "session.closed")]
    return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]


async def test_what_nobody_understands_is_left_out_and_the_session_ends_as_asked(
    tmp_path: Path, unreachable: dict[str, Any]
) -> None:
    async with serving(tmp_path, stt="openai", bus_attempts=1, **unreachable) as served:
        assert await translated(served) == ["session.closed"]


async def test_a_voice_that_fails_leaves_the_words(tmp_path: Path, unreachable: dict[str, Any]) -> None:
    async with serving(tmp_path, tts="openai", bus_attempts=1, **unreachable) as served:
        words = ["session.input_transcript.delta", "session.output_transcript.delta"]
        assert await translated(served) == [*words, *words, "session.closed"]


async def test_speech_that_comes_faster_than_it_is_heard_waits_and_none_of_it_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_max_buffer_s=0.5, limit_events_per_s=100) as served:
        kinds = await translated(served, times=20)
    assert kinds.count("session.output_audio.delta") == 20


async def test_silence_is_forgotten_and_nothing_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, opened(served) as client:
        await until(client, "session.created")
        await speak(client, silence(10))
        await send(client, "session.close")
        assert [event["type"] for event in await until(client, "session.closed")] == ["session.closed"]


@pytest.mark.parametrize(("frame", "code"), [(b"\x00", "invalid_event"), ("x" * 5000, "event_too_large")])
async def test_a_frame_that_is_no_event_is_answered(frame: str | bytes, code: str, tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_max_frame_bytes=4000) as served, opened(served) as client:
        await until(client, "session.created")
        await client.send(frame)
        assert (await until(client, "error"))[-1]["error"]["code"] == code
        await send(client, "session.close")
        await until(client, "session.closed")


async def test_the_longest_session_ends_like_one_that_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_session_s=0.5) as served, opened(served) as client:
        await until(client, "session.created")
        await speak(client, UTTERANCE)
        kinds = [event["type"] for event in await until(client, "session.closed")]
        assert kinds[0] == "session.output_transcript.delta"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


async def test_a_client_that_leaves_takes_its_jobs_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, stub_stt_ms=20_000) as served:
        async with opened(served) as client:
            await until(client, "session.created")
            await speak(client, UTTERANCE)
            queues = served.process.services.shared.bus._queues
            async with asyncio.timeout(10):
                while not queues._known:
                    await asyncio.sleep(0.01)
                client.transport.abort()
                while queues._known:
                    await asyncio.sleep(0.01)
        assert served.process.services.shared.bus._pipes == {}
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_secret_that_is_none_is_refused_before_the_handshake(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys="sk-1-0123456789abc") as served:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with opened(served):
                pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"]["type"] == "authentication_error"
