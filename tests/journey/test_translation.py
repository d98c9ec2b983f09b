"""Translation sessions over a real socket: speech in, translated words and speech out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pybase64
import pytest
import websockets

from tests.contract.recorder import check_server_event
from tests.serving import Served, recording, serving, silence

QUESTION = recording("spk1_snt4.wav")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as server:
        yield server


async def send(socket: Any, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def until(socket: Any, kind: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != kind:
        events.append(json.loads(await socket.recv()))
        check_server_event(events[-1], "translation/server")
    return events


async def speak(socket: Any, audio: bytes) -> None:
    for at in range(0, len(audio), 9600):
        data = pybase64.b64encode(audio[at : at + 9600]).decode()
        await send(socket, "session.input_audio_buffer.append", audio=data)


async def test_two_utterances_come_out_in_order_and_the_session_ends_when_asked(served: Served) -> None:
    async with websockets.connect(f"{served.ws}/v1/realtime/translations?model=gpt-realtime-translate") as socket:
        created = (await until(socket, "session.created"))[0]["session"]
        assert (created["type"], created["audio"]["output"]["language"]) == ("translation", "es")
        audio = {"input": {"transcription": {"model": "whisper-1"}}, "output": {"language": "fr"}}
        await send(socket, "session.update", session={"audio": audio})
        updated = (await until(socket, "session.updated"))[-1]["session"]
        assert updated["audio"]["output"]["language"] == "fr"
        await speak(socket, QUESTION + silence(1) + QUESTION)
        await send(socket, "session.close")
        events = await until(socket, "session.closed")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    kinds = [event["type"] for event in events]
    once = [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]
    utterance = ["session.input_transcript.delta", "session.output_transcript.delta", "session.output_audio.delta"]
    assert once == [*utterance, *utterance, "session.closed"]
    assert events[1]["delta"] == "[fr] hello from the stub "
    assert events[2]["sample_rate"] == 24_000
    starts = [event["elapsed_ms"] for event in events if event["type"] == "session.output_transcript.delta"]
    assert starts[0] < starts[1]
    ids = [event["event_id"] for event in events]
    assert ids == sorted(ids)


async def test_bad_events_are_answered_and_the_session_lives_on(served: Served) -> None:
    async with websockets.connect(f"{served.ws}/v1/realtime/translations") as socket:
        await until(socket, "session.created")
        for frame, param in (
            ('{"type":"response.create","event_id":"a"}', "type"),
            ('{"type":"session.input_audio_buffer.append","audio":"%","event_id":"a"}', "audio"),
            ('{"type":"session.update","session":{"audio":{"output":{"language":"!"}}},"event_id":"a"}',
             "session.audio.output.language"),
        ):  # fmt: skip
            await socket.send(frame)
            error = (await until(socket, "error"))[-1]["error"]
            assert (error["param"], error["event_id"]) == (param, "a")
        await send(socket, "session.close")
        assert (await until(socket, "session.closed"))[-1]["type"] == "session.closed"


async def test_a_secret_for_translation_opens_it_and_one_for_conversations_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys="sk-1-0123456789abc") as served:
        import openai

        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-1-0123456789abc")
        secret = await client.realtime.client_secrets.create()
        bound = await client.post(
            "/realtime/translations/client_secrets",
            cast_to=object,
            body={"session": {"model": "gpt-realtime-translate", "audio": {"output": {"language": "de"}}}},
        )
        url = f"{served.ws}/v1/realtime/translations"
        headers = {"Authorization": f"Bearer {bound['value']}"}
        async with websockets.connect(url, additional_headers=headers) as socket:
            created = (await until(socket, "session.created"))[0]["session"]
            assert created["audio"]["output"]["language"] == "de"
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {secret.value}"}):
                pass
        assert refused.value.response.status_code == 400
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with served.connect(additional_headers=headers):
                pass
        assert refused.value.response.status_code == 400
        await client.close()
