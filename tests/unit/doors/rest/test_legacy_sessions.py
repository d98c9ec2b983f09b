from __future__ import annotations

from typing import Any

import pytest
from openai.types.beta.realtime import SessionCreateResponse, TranscriptionSession

from tests.unit.doors.rest_stage import LARGE_TOOLS, WIDE_TOOL, bound_session, stage


async def test_a_flat_session_is_understood_and_answered_flat() -> None:
    wish = {
        "model": "gpt-4o-realtime-preview",
        "modalities": ["text", "audio"],
        "instructions": "Be brief.",
        "voice": "verse",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad", "threshold": 0.7},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "temperature": 0.6,
        "max_response_output_tokens": 100,
    }
    async with stage() as run:
        answer = await run.client.post("/v1/realtime/sessions", json=wish)
        told = SessionCreateResponse.model_validate(answer.json(), strict=True)
        bound = await bound_session(run, told.client_secret.value)
    body = answer.json()
    echoed = ("model", "instructions", "voice", "input_audio_format", "output_audio_format", "temperature")
    assert {name: body[name] for name in echoed} == {name: wish[name] for name in echoed}
    assert body["turn_detection"]["threshold"] == 0.7
    assert body["turn_detection"]["silence_duration_ms"] == 500
    assert body["max_response_output_tokens"] == 100
    assert set(body["modalities"]) == {"text", "audio"}
    assert told.client_secret.expires_at - run.services.clock.wall() == pytest.approx(60, abs=2)
    assert bound["type"] == "realtime"
    assert bound["audio"]["input"]["format"]["type"] == "audio/pcmu"
    assert bound["audio"]["output"]["format"]["type"] == "audio/pcma"
    assert bound["output_modalities"] == ["audio"]


async def test_a_flat_session_without_wishes_has_defaults_and_null_turns_detection_off() -> None:
    async with stage() as run:
        plain = (await run.client.post("/v1/realtime/sessions", json={})).json()
        off = (
            await run.client.post("/v1/realtime/sessions", json={"turn_detection": None, "modalities": ["text"]})
        ).json()
    assert plain["input_audio_format"] == "pcm16"
    assert plain["turn_detection"]["type"] == "server_vad"
    assert off["turn_detection"] is None
    assert off["modalities"] == ["text"]


async def test_a_flat_transcription_session_is_understood() -> None:
    wish = {
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
        "client_secret": {"expires_at": {"anchor": "created_at", "seconds": 120}},
    }
    async with stage() as run:
        answer = await run.client.post("/v1/realtime/transcription_sessions", json=wish)
        told = TranscriptionSession.model_validate(answer.json(), strict=True)
        bound = await bound_session(run, told.client_secret.value)
    assert bound["type"] == "transcription"
    assert bound["audio"]["input"]["transcription"] == {"model": "gpt-4o-transcribe", "language": "en"}
    assert told.client_secret.expires_at - run.services.clock.wall() == pytest.approx(120, abs=2)


BAD_FLAT: list[tuple[dict[str, Any], str]] = [
    ({"input_audio_format": "opus"}, "input_audio_format"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"speed": 3}, "speed"),
    ({"tools": [{"type": "mcp"}]}, "tools[0].server_label"),
    ({"tools": [WIDE_TOOL]}, "tools[0].parameters"),
    ({"tools": LARGE_TOOLS}, "session.tools"),
]


async def test_a_bad_flat_session_is_refused_by_name() -> None:
    async with stage() as run:
        for body, param in BAD_FLAT:
            answer = await run.client.post("/v1/realtime/sessions", json=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == param
