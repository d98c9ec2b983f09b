"""Whole conversations over a real socket, with stub engines through the real bus and workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pybase64
import pytest
import websockets

from antiphon.audio import g711
from antiphon.audio.resample import resample
from tests.serving import Client, Served, recording, serving, silence

QUESTION = recording("spk1_snt4.wav")
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

WIDE = {"type": "function", "name": "f", "parameters": {"enum": list(range(100_000))}}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as server:
        yield server


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with served.connect() as connected:
        await connected.until("session.created")
        yield connected


async def test_a_session_begins_with_its_effective_defaults(served: Served) -> None:
    async with served.connect("model=some-unknown-model") as client:
        session = (await client.until("session.created"))["session"]
    assert session["model"] == "some-unknown-model"
    assert session["output_modalities"] == ["audio"]
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["tracing"] is None


async def test_a_text_turn(client: Client) -> None:
    await client.configure(output_modalities=["text"])
    await client.say_text("hello")
    await client.send("response.create")
    done = await client.until("response.done")
    assert done["response"]["status"] == "completed"
    assert len(done["response"]["output"][0]["content"][0]["text"].split()) == 20
    assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == 0


async def test_an_audio_turn_with_server_vad(client: Client) -> None:
    await client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
    await client.append(QUESTION + silence(1))
    done = await client.until("response.done")
    assert done["response"]["status"] == "completed"
    completed = [event for event in client.events if event["type"].endswith("transcription.completed")]
    assert completed[0]["transcript"] == "hello from the stub"
    assert len(client.audio()) == 20 * 300 * 48
    assert client.types()[-6:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]


@pytest.mark.parametrize("words", [3, 20, 60])
async def test_an_answer_that_is_made_before_the_turn_is_sure_is_sent_whole(tmp_path: Path, words: int) -> None:
    async with serving(tmp_path, stub_llm_words=words) as served, served.connect() as client:
        await client.until("session.created")
        await client.append(QUESTION + silence(0.3))
        await client.until("input_audio_buffer.speech_started")
        await client.quiet(0.3)  # the model has answered, and nothing of it is told
        await client.append(silence(0.5))
        response = (await client.until("response.done"))["response"]
        assert response["output"][0]["content"][0]["transcript"].split()[:3] == ["This", "is", "the"]
        assert len(client.audio()) == words * 14_400


async def test_silence_and_a_cleared_buffer_start_nothing(client: Client) -> None:
    await client.append(silence(2))
    await client.send("input_audio_buffer.clear")
    assert (await client.receive())["type"] == "input_audio_buffer.cleared"
    await client.quiet()


async def test_manual_commit_then_response(client: Client) -> None:
    await client.configure(audio={"input": {"turn_detection": None}})
    await client.append(QUESTION)
    await client.send("input_audio_buffer.commit")
    item = await client.until("conversation.item.done")
    assert item["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    await client.quiet()
    await client.send("response.create")
    assert (await client.until("response.done"))["response"]["status"] == "completed"
    await client.send("conversation.item.retrieve", item_id=item["item"]["id"], event_id="rci")
    retrieved = await client.until("conversation.item.retrieved")
    assert pybase64.b64decode(retrieved["item"]["content"][0]["audio"]) == QUESTION


async def test_semantic_vad_ends_a_turn(client: Client) -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}
    session = await client.configure(audio={"input": {"turn_detection": detection}})
    assert session["audio"]["input"]["turn_detection"]["create_response"] is True
    await client.append(QUESTION + silence(1))
    assert (await client.until("response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize("law", ["audio/pcmu", "audio/pcma"])
async def test_g711_both_ways(client: Client, law: str) -> None:
    form = {"type": law}
    await client.configure(audio={"input": {"format": form}, "output": {"format": form}})
    encode = g711.encode_ulaw if law == "audio/pcmu" else g711.encode_alaw
    await client.append(encode(resample(QUESTION + silence(1), 24_000, 8_000)), 800)
    done = await client.until("response.done")
    assert done["response"]["audio"]["output"]["format"] == form
    assert abs(len(client.audio()) - 20 * 300 * 8) < 16
    committed = next(event for event in client.events if event["type"] == "input_audio_buffer.committed")
    await client.send("conversation.item.retrieve", item_id=committed["item_id"])
    audio = (await client.until("conversation.item.retrieved"))["item"]["content"][0]["audio"]
    assert abs(len(pybase64.b64decode(audio)) / 8000 - (len(QUESTION) / 48000 + 0.5)) < 0.4


async def test_a_function_call_and_its_answer(client: Client) -> None:
    await client.configure(tools=[TOOL], tool_choice={"type": "function", "name": "get_weather"})
    await client.say_text("how is the weather")
    await client.send("response.create")
    done = await client.until("response.done")
    call = done["response"]["output"][0]
    assert isinstance(json.loads(call["arguments"])["city"], str)
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky":"clear"}'}
    await client.send("conversation.item.create", item=output)
    await client.send("response.create", response={"tool_choice": "none"})
    done = await client.until("response.done")
    assert done["response"]["output"][0]["type"] == "message"
    assert "response.function_call_arguments.delta" in client.types()


async def test_barge_in_cancels_and_a_fresh_turn_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_words=40, stub_llm_wps=20) as served, served.connect() as client:
        await client.until("session.created")
        await client.append(QUESTION + silence(1))
        await client.until("response.output_audio_transcript.delta")
        await client.append(QUESTION + silence(1))
        first = await client.until("response.done")
        assert first["response"]["status_details"]["reason"] == "turn_detected"
        second = await client.until("response.done")
        assert second["response"]["status"] == "completed"


async def test_an_interrupted_item_is_cut_without_the_clients_help(tmp_path: Path) -> None:
    slow = {"stub_tts_ms_per_word": 3_000}  # a minute, which nobody hears to its end
    async with serving(tmp_path, realtime_truncate_wait_s=0.2, **slow) as served, served.connect() as client:
        await client.until("session.created")
        await client.append(QUESTION + silence(1))
        await client.until("response.done")
        await asyncio.sleep(0.5)
        await client.append(QUESTION)
        cut = await client.until("conversation.item.truncated")
        assert 400 <= cut["audio_end_ms"] < 57_000
        await client.send("conversation.item.retrieve", item_id=cut["item_id"])
        item = (await client.until("conversation.item.retrieved"))["item"]
        heard = item["content"][0]
        assert len(heard["transcript"].split()) < 20
        assert abs(len(pybase64.b64decode(heard["audio"])) / 48 - cut["audio_end_ms"]) <= 1


async def test_truncate_delete_and_their_acknowledgements(client: Client) -> None:
    first = await client.say_text("one")
    await client.send("response.create")
    answer = (await client.until("response.done"))["response"]["output"][0]
    await client.send("conversation.item.truncate", item_id=answer["id"], content_index=0, audio_end_ms=600)
    assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 600
    await client.send("conversation.item.delete", item_id=first)
    assert (await client.until("conversation.item.deleted"))["item_id"] == first
    await client.send("conversation.item.delete", item_id=first, event_id="again")
    error = (await client.until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("item_delete_invalid_item_id", "again")


async def test_an_item_with_audio_is_heard_like_a_turn(client: Client) -> None:
    await client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
    part = {"type": "input_audio", "audio": pybase64.b64encode(QUESTION).decode()}
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
    await client.until("conversation.item.input_audio_transcription.completed")
    await client.send("response.create")
    assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_audio_of_megabytes_arrives_whole_in_the_buffer_and_in_an_item(client: Client) -> None:
    long, longer = bytes(range(250)) * 4800, bytes(range(251)) * 9600
    await client.configure(audio={"input": {"turn_detection": None}})
    await client.append(long, piece=len(long))
    await client.send("input_audio_buffer.commit")
    item_id = (await client.until("conversation.item.done"))["item"]["id"]
    audio = [{"type": "input_audio", "audio": pybase64.b64encode(part).decode()} for part in (long, longer)]
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": audio, "id": "a"})
    await client.until("conversation.item.done")
    for name, said in ((item_id, long), ("a", long + longer)):
        await client.send("conversation.item.retrieve", item_id=name)
        retrieved = (await client.until("conversation.item.retrieved"))["item"]["content"][0]["audio"]
        assert pybase64.b64decode(retrieved) == said


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": {"type": "realtime", "tools": [WIDE]}}, "session.tools[0].parameters"),
        ({"type": "response.create", "response": {"tools": [WIDE, WIDE]}}, "response.tools[0].parameters"),
        (
            {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}] * 9000}},
            "response.input",
        ),
        ({"type": "conversation.item.delete", "item_id": "x" * 3 * 2**20}, "item_id"),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "tracing": {"metadata": {"audio": "A" * 2**20}}},
            },
            None,
        ),
    ],
    ids=["tools of a session", "tools of a response", "references", "an id", "audio"],
)
async def test_an_event_of_too_much_is_refused_by_its_field_and_the_session_lives_on(
    client: Client, event: dict[str, Any], param: str | None
) -> None:
    await client.socket.send(json.dumps(event))
    error = (await client.until("error"))["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    await client.say_text("hello")


async def test_items_go_where_they_are_told(client: Client) -> None:
    await client.say_text("second")
    first = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "first"}]}
    await client.send("conversation.item.create", item={**first, "id": "mine"}, previous_item_id="root")
    assert (await client.until("conversation.item.done"))["previous_item_id"] is None
    await client.send("conversation.item.create", item={**first, "id": "mine"}, event_id="twice")
    assert (await client.until("error"))["error"]["code"] == "item_create_duplicate_item_id"


async def test_out_of_band_beside_the_conversation(client: Client) -> None:
    await client.say_text("hello")
    await client.send("response.create")
    await client.send(
        "response.create",
        response={"conversation": "none", "metadata": {"topic": "aside"}, "output_modalities": ["text"]},
    )
    done = [await client.until("response.done"), await client.until("response.done")]
    background = [event["response"] for event in done if event["response"]["conversation_id"] is None]
    assert [response["metadata"] for response in background] == [{"topic": "aside"}]


async def test_cancel_stops_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=10, stub_llm_words=200) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("talk")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.cancel")
        done = await client.until("response.done")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"
        await client.quiet(0.5)


async def test_bad_events_are_answered_and_the_session_lives_on(client: Client) -> None:
    for frame, code, param in (
        ("{", "invalid_json", None),
        ('{"type":"nope","event_id":"a"}', "invalid_value", "type"),
        ('{"type":"session.update","session":{"type":"realtime","volume":11}}', "unknown_parameter", "session.volume"),
        ('{"type":"input_audio_buffer.append","audio":"%%%"}', "invalid_value", "audio"),
        ('{"type":"session.update","session":{}}', "missing_required_parameter", "session.type"),
    ):
        await client.socket.send(frame)
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"]) == (code, param)
    await client.socket.send(b"\x00\x01")
    assert (await client.until("error"))["error"]["code"] == "invalid_event"
    assert (await client.configure(instructions="still here"))["instructions"] == "still here"


async def test_mcp_tools_and_images_are_refused_by_name(tmp_path: Path) -> None:
    async with serving(tmp_path, llm="rules") as served, served.connect() as client:
        mcp = {"type": "mcp", "server_label": "x", "server_url": "https://example.org"}
        await client.send("session.update", session={"type": "realtime", "tools": [TOOL, mcp]})
        assert (await client.until("error"))["error"]["param"] == "session.tools[1].type"
        image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAAN"}
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [image]})
        assert (await client.until("error"))["error"]["param"] == "item.content[0].type"


async def test_a_transcription_session(served: Served) -> None:
    async with served.connect("intent=transcription") as client:
        session = (await client.until("session.created"))["session"]
        assert session["type"] == "transcription"
        wish = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
        await client.send("session.update", session=wish)
        assert (await client.until("session.updated"))["session"]["type"] == "transcription"
        await client.append(QUESTION + silence(1))
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.quiet()
        assert not [kind for kind in client.types() if kind.startswith("response.")]


async def test_idle_time_out(client: Client) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 300}
    await client.configure(audio={"input": {"turn_detection": detection}}, output_modalities=["text"])
    await client.say_text("hello")
    await client.send("response.create")
    await client.until("response.done")
    await client.append(silence(0.5))
    await client.until("input_audio_buffer.timeout_triggered")
    assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_pace_realtime_keeps_the_lead_small(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_words=5) as served, served.connect("model=m&pace=realtime") as client:
        await client.until("session.created")
        await client.say_text("hello")
        begin = asyncio.get_running_loop().time()
        await client.send("response.create")
        await client.until("response.done")
        assert asyncio.get_running_loop().time() - begin > 1.5 - 0.2 - 0.3


async def test_rate_limits_are_told_and_kept(tmp_path: Path) -> None:
    async with serving(tmp_path, limit_requests_per_min=2) as served, served.connect() as client:
        await client.until("session.created")
        await client.configure(output_modalities=["text"])
        for left in (1, 0):
            await client.say_text("hello")
            await client.send("response.create")
            limits = (await client.until("rate_limits.updated"))["rate_limits"]
            assert (limits[0]["name"], limits[0]["limit"], limits[0]["remaining"]) == ("requests", 2, left)
            await client.until("response.done")
        await client.send("response.create", event_id="third")
        error = (await client.until("error"))["error"]
        assert (error["type"], error["event_id"]) == ("rate_limit_error", "third")


async def test_a_session_expires_with_code_1001(tmp_path: Path) -> None:
    async with serving(tmp_path, realtime_session_s=0.4) as served, served.connect() as client:
        await client.until("session.created")
        assert (await client.until("error"))["error"]["code"] == "session_expired"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_the_beta_interface_is_refused_with_4000(served: Served) -> None:
    async with websockets.connect(
        f"{served.ws}/v1/realtime?model=m", additional_headers={"OpenAI-Beta": "realtime=v1"}
    ) as socket:
        assert json.loads(await socket.recv())["error"]["code"] == "beta_api_shape_disabled"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "invalid_request_error.beta_api_shape_disabled")


async def test_keys_origins_and_hosts(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys="sk-right-0123456789abc") as served:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with served.connect():
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["error"]["type"] == "authentication_error"
        headers = {"Authorization": "Bearer sk-right-0123456789abc"}
        async with served.connect(additional_headers=headers) as client:
            await client.until("session.created")
        offered = ["realtime", "openai-insecure-api-key.sk-right-0123456789abc", "openai-agents-sdk.1"]
        async with served.connect(subprotocols=offered) as client:
            assert client.socket.subprotocol == "realtime"
            await client.until("session.created")
    async with serving(tmp_path) as served:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with served.connect(origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403


async def test_a_drain_lets_the_answer_finish_and_closes_with_1012(tmp_path: Path) -> None:
    async with serving(tmp_path, stub_llm_wps=20, drain_s=10) as served, served.connect() as client:
        await client.until("session.created")
        await client.say_text("talk")
        await client.send("response.create")
        await client.until("response.created")
        served.stop.set()
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


async def test_items_are_kept_in_the_store(served: Served) -> None:
    async with served.connect() as client:
        session = (await client.until("session.created"))["session"]
        await client.say_text("remember me")
        await client.send("response.create")
        await client.until("response.done")
    store = served.process.services.rows.store
    async with asyncio.timeout(10):
        while len(kept := await store.items("default", session["id"], oldest_first=True)) < 2:
            await asyncio.sleep(0.02)
    assert [json.loads(item.content)["role"] for item in kept] == ["user", "assistant"]
