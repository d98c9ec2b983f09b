from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.doors.operation.services import Readiness
from tests.unit.doors.rest_stage import SPEECH, Script, Stage, assert_error, stage

JSON = {"content-type": "application/json"}


# -- routes


async def test_an_unknown_path_is_404_in_the_common_error_shape() -> None:
    async with stage() as run:
        for path in ("/v1", "/v1/nothing", "/v1/chat/completions", "/schema", "/v1/%2e%2e/health", "/%00"):
            error = assert_error(await run.client.get(path), 404, "unknown_url")
            assert error["type"] == "invalid_request_error"


async def test_the_wrong_method_is_405() -> None:
    async with stage() as run:
        for method, path in (
            ("GET", "/v1/audio/speech"),
            ("DELETE", "/v1/models"),
            ("PUT", "/health"),
            ("TRACE", "/ready"),
            ("POST", "/"),
        ):
            assert_error(await run.client.request(method, path), 405, "method_not_allowed")


# -- hostile bodies

HOSTILE_JSON: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"{", None),
    (b"null", None),
    (b"[]", None),
    (b'"text"', None),
    (b"\xff\xfe", None),
    (b"[" * 100_000, None),
    (b'{"input":' * 50_000, None),
    (b'{"input": NaN}', None),
    (b'{"input": "\xff"}', None),
    (b'{"input": "\\ud800"}', None),
    (b"{}", "input"),
    (b'{"input": null}', "input"),
    (b'{"input": ""}', "input"),
    (b'{"input": 7}', "input"),
    (b'{"input": ["a"]}', "input"),
    (json.dumps({"input": "x" * 4097}).encode(), "input"),
    (b'{"input": "x", "speed": 5}', "speed"),
    (b'{"input": "x", "speed": -1}', "speed"),
    (b'{"input": "x", "speed": "fast"}', "speed"),
    (b'{"input": "x", "speed": "nan"}', "speed"),
    (b'{"input": "x", "speed": "inf"}', "speed"),
    (b'{"input": "x", "speed": 1e999}', None),
    (b'{"input": "x", "speed": NaN}', None),
    (b'{"input": "x", "speed": Infinity}', None),
    (b'{"input": "x", "speed": 99999999999999999999999999999999999999999999999999999999}', "speed"),
    (b'{"input": "x", "speed": ' + b"9" * 5000 + b"}", None),
    (b'{"input": "x", "voice": 7}', "voice"),
    (b'{"input": "x", "voice": {}}', "voice.id"),
    (b'{"input": "x", "voice": {"id": 7}}', "voice.id"),
    (b'{"input": "x", "response_format": "ogg"}', "response_format"),
    (b'{"input": "x", "response_format": 7}', "response_format"),
    (b'{"input": "x", "stream_format": "ws"}', "stream_format"),
    (b'{"input": "x", "model": {}}', "model"),
    (b'{"input": "x", "instructions": []}', "instructions"),
]


async def test_a_hostile_body_is_one_well_formed_400_that_names_the_field() -> None:
    async with stage() as run:
        for body, param in HOSTILE_JSON:
            headers = {"content-type": "application/json"}
            answer = await run.client.post("/v1/audio/speech", content=body, headers=headers)
            error = assert_error(answer, 400)
            assert (error["type"], error["param"]) == ("invalid_request_error", param), body[:80]
        assert run.script.jobs == []
        assert (await run.client.get("/health")).status_code == 200


async def test_a_lying_content_type_is_no_fault_of_ours() -> None:
    async with stage() as run:
        for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "x", ""):
            headers = {"content-type": content_type}
            good = await run.client.post("/v1/audio/speech", content=json.dumps(SPEECH), headers=headers)
            bad = await run.client.post("/v1/audio/speech", content=b"<xml/>", headers=headers)
            assert good.status_code in (200, 400)
            assert_error(bad, 400)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/audio/speech", 400, "invalid_content_type"),
        ("POST", "/v1/realtime/client_secrets", 400, "invalid_content_type"),
        ("POST", "/v1/realtime/sessions", 400, "invalid_content_type"),
        ("POST", "/v1/audio/transcriptions", 400, "invalid_content_type"),
        ("POST", "/v1/realtime/calls", 404, "unknown_url"),
        ("POST", "/v1/nope", 404, "unknown_url"),
        ("PUT", "/v1/audio/speech", 405, "method_not_allowed"),
    ],
)
@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; a=application/json", "application/sdp", "application/x-www-form-urlencoded", ""]
)
async def test_the_type_of_a_body_is_judged_where_one_is_taken(
    method: str, path: str, status: int, code: str, kind: str
) -> None:
    async with stage() as run:
        answer = await run.client.request(method, path, content=b"v=0", headers={"content-type": kind})
        error = assert_error(answer, status, code)
        assert error["param"] == ("content-type" if status == 400 else None)


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/realtime/client_secrets", "/v1/realtime/sessions"])
async def test_a_body_larger_than_a_mebibyte_is_413(path: str) -> None:
    async with stage() as run:
        huge = json.dumps({"input": "x" * 2**20}).encode()
        assert_error(
            await run.client.post(path, content=huge, headers=JSON),
            413,
            "content_too_large",
        )

        async def chunked() -> Any:
            for _ in range(20):
                yield b" " * 2**16

        assert_error(await run.client.post(path, content=chunked(), headers=JSON), 413, "content_too_large")


async def test_unknown_fields_are_ignored() -> None:
    async with stage() as run:
        answer = await run.client.post("/v1/audio/speech", json={**SPEECH, "seed": 1, "lang_code": "en"})
        assert answer.status_code == 200


# -- faults of ours


async def test_a_fault_of_ours_is_500_without_details() -> None:
    async def broken() -> Readiness:
        raise ZeroDivisionError("secret details")

    async with stage(readiness=broken) as run:
        with capture_logs():  # showing a traceback takes seconds
            answer = await run.client.get("/ready")
        assert_error(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"] in answer.json()["error"]["message"]


async def test_many_callers_at_once_all_get_their_own_answer() -> None:
    async def speak(run: Stage, text: str) -> bytes:
        return (await run.client.post("/v1/audio/speech", json={**SPEECH, "input": text})).content

    async with stage(Script(pieces=(b"\1\0" * 100,))) as run:
        answers = await asyncio.gather(*(speak(run, str(number)) for number in range(40)))
    assert answers == [b"\1\0" * 100] * 40
