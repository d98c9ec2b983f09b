"""At every door: an error repeats little of what a client has sent, and half a character is one error."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets

from tests.dubbing import Door, dubbing, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 256
LONG = "x" * 100_000
"""Longer than any id or name may be."""
IN_A_HEAD = "x" * 40_000
"""As long as the head of a request may be."""
LONGEST_IDS = ["x" * 128, "x" * 512]
"""As long as an id may be."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server with all doors."""
    async with dubbing(tmp_path_factory.mktemp("repeats")) as running:
        yield running


def repeated(told: str | bytes) -> int:
    """Return how many characters of the client's a whole answer has."""
    return sum(map(len, re.findall("x{20,}", told if isinstance(told, str) else told.decode())))


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}], **fields}


def realtime_events(text: str) -> list[dict[str, Any]]:
    return [
        {"type": text},
        {"type": "response.cancel", text: 1},
        {"type": "response.cancel", "response_id": text},
        {"type": "response.cancel", "event_id": text},
        {"type": "input_audio_buffer.commit", "event_id": text},
        {"type": "conversation.item.delete", "item_id": text},
        {"type": "conversation.item.retrieve", "item_id": text},
        {"type": "conversation.item.truncate", "item_id": text, "content_index": 0, "audio_end_ms": 0},
        {"type": "conversation.item.create", "previous_item_id": text, "item": item()},
        {"type": "conversation.item.create", "item": item(role=text)},
        {"type": "conversation.item.create", "item": item(content=[{"type": text}])},
        {"type": "conversation.item.create", "item": item(content=[{"type": "input_image", "image_url": text}])},
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": text, "output": ""}},
        {"type": "response.create", "response": {"conversation": text}},
        {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": text}]}},
        {"type": "response.create", "response": {"tool_choice": {"type": "function", "name": text}}},
        {"type": "response.create", "response": {"tool_choice": text}},
        {"type": "response.create", "response": {"metadata": {text: 1}}},
        {"type": "session.update", "session": {"type": text}},
        {"type": "session.update", "session": {"type": "realtime", text: text}},
        {"type": "session.update", "session": {"type": "realtime", "include": [text]}},
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": text}}}}},
        {"type": "session.update", "session": {"x" * 40: {"x" * 40: {"x" * 40: [0] * 10_001}}}},
    ]


@pytest.mark.parametrize("text", [LONG, *LONGEST_IDS], ids=len)
async def test_an_error_of_the_realtime_door_repeats_little(door: Door, text: str) -> None:
    async with websockets.connect(f"{door.url.replace('http', 'ws', 1)}/v1/realtime", max_size=None) as socket:
        await socket.recv()
        for event in realtime_events(text):
            await socket.send(json.dumps(event))
            told = str(await socket.recv())
            assert json.loads(told)["type"] == "error"
            assert repeated(told) <= MOST, event.keys()


@pytest.mark.parametrize("text", [LONG, *LONGEST_IDS], ids=len)
async def test_an_error_of_the_translation_door_repeats_little(door: Door, text: str) -> None:
    path = f"{door.url.replace('http', 'ws', 1)}/v1/realtime/translations"
    async with websockets.connect(path, max_size=None) as socket:
        await socket.recv()
        for event in (
            {"type": text},
            {"type": "session.input_audio_buffer.append", "audio": "!", "event_id": text},
            {"type": "session.update", "session": {"audio": {"output": {"language": text}}}},
            {"type": "session.update", "session": {text: text}},
        ):
            await socket.send(json.dumps(event))
            told = str(await socket.recv())
            assert json.loads(told)["type"] == "error"
            assert repeated(told) <= MOST, event.keys()


async def test_a_refused_handshake_repeats_little(door: Door) -> None:
    ws = door.url.replace("http", "ws", 1)
    for path in (
        f"/v1/realtime?intent={IN_A_HEAD}",
        f"/v1/realtime?session_id={IN_A_HEAD}",
        f"/v1/realtime?session_id=sess_{'x' * 64}",
        f"/v1/realtime/{IN_A_HEAD}",
        f"/v1/realtime/translations?intent={IN_A_HEAD}",
        f"/socket.io/?EIO=4&transport=websocket&sid={IN_A_HEAD}",
    ):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(ws + path):
                pass
        assert repeated(refused.value.response.body or b"") <= MOST, path[:40]


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", f"/{IN_A_HEAD}", {}),
    ("GET", f"/v1/models/{IN_A_HEAD}", {}),
    ("POST", f"/v1/models/{IN_A_HEAD}", {}),
    (IN_A_HEAD, "/v1/models", {}),
    ("POST", "/v1/audio/speech", {"json": {"input": "a", "model": LONG}}),
    ("POST", "/v1/audio/speech", {"json": {"input": "a", "response_format": LONG}}),
    ("POST", "/v1/audio/speech", {"json": {"input": "a", "voice": {"id": LONG}}}),
    ("POST", "/v1/audio/speech", {"content": LONG, "headers": {"content-type": "application/json"}}),
    ("POST", "/v1/audio/speech", {"content": "x", "headers": {"content-type": IN_A_HEAD}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": ("x", b"x")}, "data": {"response_format": LONG}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": ("x", b"x")}, "data": {"temperature": LONG}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": (LONG[:1000], b"x")}, "data": {"model": "a"}}),
    ("POST", "/v1/audio/transcriptions", {"files": {LONG[:1000]: ("x", b"x")}}),
    ("POST", "/v1/realtime/client_secrets", {"json": {"session": {"type": LONG}}}),
    ("POST", "/v1/realtime/client_secrets", {"json": {"session": {"type": "realtime", LONG: 1}}}),
    ("POST", "/v1/realtime/client_secrets", {"json": {"antiphon": {"locked": [LONG]}}}),
    ("POST", "/v1/realtime/client_secrets", {"json": {"antiphon": {"origins": [LONG]}}}),
    ("POST", "/v1/realtime/sessions", {"json": {"modalities": [LONG]}}),
    ("POST", "/v1/realtime/translations/client_secrets", {"json": {"session": {LONG: LONG}}}),
    ("GET", f"/socket.io/?EIO=4&transport={IN_A_HEAD}", {}),
    ("GET", f"/socket.io/?EIO={IN_A_HEAD}&transport=polling", {}),
    ("GET", f"/socket.io/?EIO=4&transport=polling&sid={IN_A_HEAD}", {}),
    ("POST", f"/socket.io/?EIO=4&transport=polling&sid={IN_A_HEAD}", {}),
    ("PUT", f"/socket.io/?EIO=4&transport=polling&sid={IN_A_HEAD}", {}),
]


async def test_an_error_of_a_request_repeats_little(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as client:
        for method, path, options in REQUESTS:
            answer = await client.request(method, path, **options)
            assert 400 <= answer.status_code < 500 or len(answer.text) < MOST, (method[:9], path[:40], answer.text[:99])
            assert repeated(answer.text) <= MOST, (method[:9], path[:40], options.keys())


@pytest.mark.parametrize("text", [LONG, *LONGEST_IDS], ids=len)
async def test_an_error_of_the_dubbing_door_repeats_little(door: Door, text: str) -> None:
    async with worker(door.url) as one:
        payloads: list[tuple[str, Any]] = [
            ("fragment:data", {"stream_id": text, "fragment_id": text}),
            ("stream:pause", {"stream_id": text}),
            ("stream:end", {"stream_id": text}),
            ("stream:init", text),
            ("stream:init", one.init_payload({"format": text}, worker_id=text)),
            ("stream:init", one.init_payload({"voice_profile": text})),
            ("stream:init", one.init_payload({"target_language": text})),
        ]
        for name, payload in payloads:
            await one.emit(name, payload)
            assert repeated(json.dumps(await one.next("error"))) <= MOST, (name, payload)
        await one.begin()
        for fields in (
            {"fragment_id": text, "sequence_number": -1},
            {"fragment_id": text, "audio": {}},
            {"audio": {"format": text, "sample_rate_hz": 16_000, "channels": 1, "duration_ms": 1, "data_base64": ""}},
        ):
            await one.emit("fragment:data", {**one.fragment(0), **fields})
            assert repeated(json.dumps(await one.next("error"))) <= MOST, fields.keys()


async def test_a_refused_namespace_is_not_repeated_at_length(door: Door) -> None:
    path = f"{door.url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    async with websockets.connect(path) as socket:
        await socket.recv()
        for namespace in ("/other", f"/{LONG[:10_000]}"):
            await socket.send(f"40{namespace},")
            told = str(await socket.recv())
            assert told.startswith(f"44{namespace[:6]}")
            assert repeated(told) <= MOST


async def test_a_refused_simulation_repeats_little(tmp_path: Path) -> None:
    rule = {"trigger": LONG, "value": 1, "error_code": LONG}
    async with dubbing(tmp_path, dubbing_mode="echo") as echo, worker(echo.url) as one:
        await one.emit("config:error_simulation", {"enabled": True, "rules": [rule]})
        assert repeated(json.dumps(await one.next("config:error_simulation:ack"))) <= MOST
        await one.emit("simulate:disconnect", {"delay_ms": LONG})
        assert repeated(json.dumps(await one.next("error"))) <= MOST


# -- half a character ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/realtime/translations"])
async def test_half_a_character_is_one_error_with_the_id_of_its_event(door: Door, path: str) -> None:
    events: list[dict[str, Any]] = [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "a\ud800"}},
        {"type": "session.update", "session": {"audio": {"output": {"language": "\udfff"}}}},
        {"type": "session.update", "session": {"\ud800": {"a": ["\ud800"]}}},
        {"type": "a\ud800"},
        {"type": "session.close", "\ud800": "b"},
        {"type": "input_audio_buffer.append", "audio": "\ud83d"},
        {"type": "session.input_audio_buffer.append", "audio": "A" * 300_000 + "\ud83d"},
        {"type": "session.update", "session": {"instructions": "a" * 300_000 + "\ud800"}},
    ]
    async with websockets.connect(door.url.replace("http", "ws", 1) + path, max_size=None) as socket:
        await socket.recv()
        for number, event in enumerate(events):
            await socket.send(json.dumps({**event, "event_id": f"event_{number}"}))
        await socket.send(json.dumps({"type": "nothing", "event_id": "last"}))
        told = [json.loads(await socket.recv()) for _ in range(len(events) + 1)]
    assert {one["type"] for one in told} == {"error"}
    assert [one["error"]["event_id"] for one in told] == [*(f"event_{n}" for n in range(len(events))), "last"]


async def test_half_a_character_in_what_a_worker_sends_is_one_error_that_names_the_fragment(door: Door) -> None:
    async with worker(door.url) as one:
        await one.emit("stream:init", one.init_payload(worker_id="a\ud800"))
        assert (await one.next("error"))["details"]["param"] == "worker_id"
        await one.begin()
        for fields, param in (
            ({"metadata": {"a": {"b": ["\ud800"]}}}, "metadata"),
            ({"audio": {"data_base64": "\udfff"}}, "audio.data_base64"),
            ({"\ud83d": 1}, None),
        ):
            await one.emit("fragment:data", {**one.fragment(0), **fields})
            error = await one.next("error")
            assert (error["code"], error["fragment_id"]) == ("INVALID_CONFIG", one.name(0))
            assert error["details"].get("param") == param
        await one.emit("fragment:data", one.fragment(0, "a\ud800"))
        assert (await one.next("error"))["fragment_id"] == "a?"
        await one.offer(0)
        assert (await one.result())["fragment_id"] == one.name(0)
