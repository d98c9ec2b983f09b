from __future__ import annotations

from typing import Any

import pytest
from openai.types.realtime import ClientSecretCreateResponse
from openai.types.realtime.realtime_translation_client_secret_create_response import (
    RealtimeTranslationClientSecretCreateResponse,
)

from tests.unit.doors.rest_stage import LARGE_TOOLS, WIDE_TOOL, bound_session, stage

SECRETS = "/v1/realtime/client_secrets"


async def test_a_secret_without_wishes_opens_a_default_conversation_for_ten_minutes() -> None:
    async with stage() as run:
        for body in ({"json": {}}, {"json": None}, {}):
            answer = await run.client.post(SECRETS, **body)
            assert answer.status_code == 200, answer.text
            told = ClientSecretCreateResponse.model_validate(answer.json(), strict=True)
            assert told.value.startswith("ek_")
            assert told.expires_at - run.services.clock.wall() == pytest.approx(600, abs=2)
            session = answer.json()["session"]
            assert (session["type"], session["object"]) == ("realtime", "realtime.session")
            assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
            assert await bound_session(run, told.value) == {"type": "realtime"}


async def test_a_secret_carries_what_the_client_asked_for_and_shows_all_of_it() -> None:
    wish = {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be brief.",
        "output_modalities": ["text"],
        "audio": {"output": {"voice": "marin"}, "input": {"turn_detection": None}},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    }
    async with stage() as run:
        expires = {"anchor": "created_at", "seconds": 60}
        answer = await run.client.post(SECRETS, json={"session": wish, "expires_after": expires})
        told = answer.json()
        assert await bound_session(run, told["value"]) == wish
    assert told["expires_at"] - run.services.clock.wall() == pytest.approx(60, abs=2)
    assert told["session"]["model"] == "gpt-realtime-2"
    assert told["session"]["audio"]["input"]["turn_detection"] is None
    assert told["session"]["audio"]["output"]["voice"] == "marin"


async def test_a_secret_may_open_a_transcription_session() -> None:
    wish = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    async with stage() as run:
        answer = await run.client.post(SECRETS, json={"session": wish})
        assert answer.json()["session"]["type"] == "transcription"
        assert await bound_session(run, answer.json()["value"]) == wish


BAD_WISHES: list[tuple[dict[str, Any], str]] = [
    ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
    ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
    ({"expires_after": {"seconds": "soon"}}, "expires_after.seconds"),
    ({"expires_after": {"seconds": 10**30}}, "expires_after.seconds"),
    ({"expires_after": {"anchor": "never", "seconds": 60}}, "expires_after.anchor"),
    ({"session": {}}, "session.type"),
    ({"session": {"type": "video"}}, "session.type"),
    ({"session": {"type": "realtime", "voice": "marin"}}, "session.voice"),
    ({"session": {"type": "realtime", "audio": {"output": {"speed": 9}}}}, "session.audio.output.speed"),
    ({"session": {"type": "realtime", "output_modalities": ["text", "audio"]}}, "session.output_modalities"),
    ({"session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]}}, "session.tools[0].type"),
    ({"session": {"type": "realtime", "tools": [WIDE_TOOL]}}, "session.tools[0].parameters"),
    ({"session": {"type": "realtime", "tools": LARGE_TOOLS}}, "session.tools"),
    ({"session": []}, "session"),
    ({"session": 7}, "session"),
]


async def test_a_bad_wish_is_refused_by_the_name_of_the_field() -> None:
    async with stage() as run:
        for body, param in BAD_WISHES:
            answer = await run.client.post(SECRETS, json=body)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["param"] == param


async def test_a_session_too_large_for_a_secret_is_a_clear_error() -> None:
    words = [str(number * 7919) for number in range(20_000)]
    async with stage() as run:
        wish = {"type": "realtime", "instructions": " ".join(words)}
        answer = await run.client.post(SECRETS, json={"session": wish})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "session_too_large"


# -- translation


async def test_a_translation_secret_is_bound_to_its_session() -> None:
    wish = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
    async with stage() as run:
        answer = await run.client.post("/v1/realtime/translations/client_secrets", json={"session": wish})
        told = RealtimeTranslationClientSecretCreateResponse.model_validate(answer.json(), strict=True)
        bound = await bound_session(run, told.value)
    assert (told.session.type, told.session.model) == ("translation", "gpt-realtime-translate")
    assert told.session.audio.output is not None
    assert told.session.audio.output.language == "es"
    assert bound["type"] == "translation"
    assert bound["audio"]["output"] == {"language": "es"}


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "session"), ({"session": {}}, "session.model"), ({"session": {"model": 1}}, "session.model")],
)
async def test_a_bad_translation_wish_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    async with stage() as run:
        answer = await run.client.post("/v1/realtime/translations/client_secrets", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
