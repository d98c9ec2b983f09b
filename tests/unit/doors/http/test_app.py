from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from antiphon.doors.operation.services import Readiness
from antiphon.ports.limiter import Account, Allowance
from tests.unit.doors.rest_stage import Script, Stage, stage, told

SPEECH = {"input": "Hello.", "model": "tts-1", "voice": "alloy", "response_format": "pcm"}


JSON = {"content-type": "application/json"}


def assert_error(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Every error has one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert isinstance(body["error"]["message"], str)
    assert body["error"]["message"]
    if code:
        assert body["error"]["code"] == code
    return body["error"]


# -- routes


async def test_what_does_not_exist_is_404_in_the_shape_of_every_error() -> None:
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


# -- who may


async def test_without_the_right_key_every_door_but_the_probes_is_shut() -> None:
    async with stage(keys=("sk-1",)) as run:
        doors = [
            ("GET", path) for path in ("/v1/models", "/v1/voices", "/metrics", "/docs", "/openapi.json", "/nothing")
        ]
        doors += [
            ("POST", f"/v1/{path}") for path in ("audio/speech", "audio/transcriptions", "realtime/client_secrets")
        ]
        for method, path in doors:
            for headers in ({}, {"authorization": "Bearer sk-2"}, {"x-api-key": ""}):
                request = httpx.Request(method, run.url + path, headers=headers)
                answer = await run.client.send(request)
                assert_error(answer, 401)
                assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/health", "/ready"):
            assert (await run.client.send(httpx.Request("GET", run.url + path))).status_code == 200


async def test_a_key_is_taken_from_every_place() -> None:
    async with stage(keys=("sk-0", "sk-1")) as run:
        for headers, query in (
            ({"authorization": "Bearer sk-1"}, ""),
            ({"x-api-key": "sk-1"}, ""),
            ({"api-key": "sk-1"}, ""),
            ({}, "?api_key=sk-1"),
            ({}, "?access_token=sk-1"),
        ):
            request = httpx.Request("GET", f"{run.url}/v1/models{query}", headers=headers)
            assert (await run.client.send(request)).status_code == 200


async def test_an_open_server_refuses_pages_and_names_of_strangers() -> None:
    async with stage() as run:
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"origin": "null"}):
            assert_error(await run.client.post("/v1/audio/speech", json=SPEECH, headers=headers), 403)
        for path in ("/health", "/ready"):
            assert (await run.client.get(path, headers={"host": "10.0.0.3:8000"})).status_code == 200
        assert (await run.client.get("/v1/models", headers={"origin": run.url})).status_code == 200


async def test_a_client_secret_opens_no_rest_door() -> None:
    async with stage(keys=("sk-1",)) as run:
        secret = (await run.client.post("/v1/realtime/client_secrets", json={})).json()["value"]
        headers = {"authorization": f"Bearer {secret}"}
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/realtime/client_secrets"), ("GET", "/metrics")):
            assert_error(await run.client.request(method, path, headers=headers), 403, "key_scope")


# -- limits


class _Used:
    """A limit of one request, used up by the first."""

    def __init__(self) -> None:
        self.left = 1

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        return (Allowance("requests", 1, self.left, 12.3),)

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        self.left -= requests
        return self.allowances(account)


async def test_a_used_up_limit_is_429_with_the_time_to_wait() -> None:
    async with stage(limiter=_Used()) as run:
        assert (await run.client.post("/v1/audio/speech", json=SPEECH)).status_code == 200
        answer = await run.client.post("/v1/audio/speech", json=SPEECH)
        assert assert_error(answer, 429)["type"] == "rate_limit_error"
        assert answer.headers["retry-after"] == "13"
        limited = await run.client.post("/v1/audio/transcriptions", files={"file": b"RIFF"}, data={"model": "m"})
        assert limited.status_code == 429
        assert run.services.metrics.registry.get_sample_value("rate_limits_total", {"limit": "requests"}) == 2
        assert (await run.client.get("/v1/models")).status_code == 200


async def test_no_answer_is_kept_or_taken_for_something_else() -> None:
    async with stage() as run:
        answers = [
            await run.client.get(path) for path in ("/v1/models", "/health", "/metrics", "/openapi.json", "/nothing")
        ]
        for path, body in (("audio/speech", SPEECH), ("audio/speech", {}), ("realtime/client_secrets", {})):
            answers.append(await run.client.post(f"/v1/{path}", json=body))
        assert {answer.status_code for answer in answers} == {200, 400, 404}
        for answer in answers:
            assert answer.headers["x-content-type-options"] == "nosniff", answer.url
            assert answer.headers["cache-control"] == "no-store", answer.url


# -- lists, health, documents


async def test_models_are_the_configured_ones() -> None:
    async with stage() as run:
        models = (await run.client.get("/v1/models")).json()
        assert models["object"] == "list"
        assert [model["id"] for model in models["data"]] == ["ears-1", "org/ears-2", "mouth-1", "brain"]
        for model in models["data"]:
            assert (await run.client.get(f"/v1/models/{model['id']}")).json() == model
        assert models["data"][0] == {"id": "ears-1", "object": "model", "created": 0, "owned_by": "ears"}
        assert_error(await run.client.get("/v1/models/gpt-9"), 404, "model_not_found")
        assert_error(await run.client.get("/v1/models/a/b%2Fc"), 404, "model_not_found")


async def test_voices_are_the_configured_ones_under_both_paths() -> None:
    async with stage() as run:
        voices = (await run.client.get("/v1/voices")).json()
        assert voices == (await run.client.get("/v1/tts/voices")).json()
        assert voices["data"] == [
            {"id": "ann", "object": "voice", "language": "en", "description": "Clear.", "default": True},
            {"id": "ben", "object": "voice", "language": "en-gb", "description": "", "default": False},
        ]


async def test_a_voice_picker_gets_the_same_voices_with_an_id_and_a_name() -> None:
    async with stage() as run:
        answer = (await run.client.get("/v1/audio/voices")).json()
        assert answer == {
            "voices": [
                {"id": "ann", "name": "ann", "language": "en", "description": "Clear.", "default": True},
                {"id": "ben", "name": "ben", "language": "en-gb", "description": "", "default": False},
            ]
        }
    async with stage(engines={}) as run:
        assert (await run.client.get("/v1/audio/voices")).json() == {"voices": []}


async def test_health_says_its_status_alone_to_whoever_has_no_key() -> None:
    async with stage(keys=("sk-1",)) as run:
        for headers in ({}, {"authorization": "Bearer sk-2"}):
            assert (await run.client.send(httpx.Request("GET", f"{run.url}/health", headers=headers))).json() == {
                "status": "ok"
            }
        request = httpx.Request("GET", f"{run.url}/health", headers={"x-api-key": "sk-1"})
        assert "version" in (await run.client.send(request)).json()


async def test_health_names_the_engines() -> None:
    async with stage() as run:
        body = (await run.client.get("/health")).json()
    assert body["status"] == "ok"
    assert body["version"] == "1.2.3"
    assert (body["asr_enabled"], body["asr_provider"], body["tts_provider"]) == (True, "ears", "mouth")
    assert body["translation_provider"] is None


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        (Readiness(ready=True), 200, "ready"),
        (Readiness(ready=False, checks={"engines": False}), 503, "not_ready"),
        (Readiness(ready=True, draining=True), 503, "draining"),
    ],
)
async def test_ready_tells_what_does_not_work_and_a_drain(state: Readiness, code: int, status: str) -> None:
    async with stage(readiness=told(state)) as run:
        answer = await run.client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert answer.json()["checks"] == state.checks
    assert answer.json()["engines"] == state.engines


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (Readiness(ready=True), "ok"),
        (Readiness(ready=False, checks={"database": False}), "degraded"),
        (Readiness(ready=False, draining=True), "draining"),
    ],
)
async def test_health_is_200_while_the_process_serves_and_says_when_something_does_not_work(
    state: Readiness, status: str
) -> None:
    async with stage(keys=("sk-1",), readiness=told(state)) as run:
        for headers in ({}, {"authorization": "Bearer sk-1"}):
            answer = await run.client.send(httpx.Request("GET", f"{run.url}/health", headers=headers))
            assert (answer.status_code, answer.json()["status"]) == (200, status)
            assert len(answer.json()) == 1 or headers


async def test_health_names_the_engine_that_is_asked_and_none_where_none_is() -> None:
    engines = {"stt": {"ears": "left_out"}, "tts": {"mouth": "circuit_open", "spare": "ok"}}
    state = Readiness(ready=False, checks={"engines": False}, engines=engines)
    async with stage(readiness=told(state)) as run:
        body = (await run.client.get("/health")).json()
    assert (body["asr_enabled"], body["asr_provider"], body["tts_provider"]) == (False, None, "spare")


async def test_health_and_readiness_tell_their_status_alone_without_a_key() -> None:
    async with stage(keys=("sk-0",)) as run:
        secret = (await run.client.post("/v1/realtime/client_secrets", json={})).json()["value"]
        for path, status in (("/health", "ok"), ("/ready", "ready")):
            assert len((await run.client.get(path)).json()) > 1
            for key in ("none", "sk-2", secret, "ek_forged"):
                answer = await run.client.get(path, headers={"authorization": f"Bearer {key}"})
                assert (answer.status_code, answer.json()) == (200, {"status": status})
    async with stage() as run:
        secret = (await run.client.post("/v1/realtime/client_secrets", json={})).json()["value"]
        for headers in ({"authorization": f"Bearer {secret}"}, {"origin": "https://evil.example"}):
            for path in ("/health", "/ready"):
                assert set((await run.client.get(path, headers=headers)).json()) == {"status"}


async def test_metrics_count_requests_by_door_and_outcome() -> None:
    async with stage() as run:
        await run.client.post("/v1/audio/speech", json=SPEECH)
        await run.client.post("/v1/audio/speech", json={})
        answer = await run.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'requests_total{door="speech",outcome="done"} 1.0' in answer.text
    assert 'requests_total{door="speech",outcome="refused"} 1.0' in answer.text


async def test_the_openapi_document_describes_every_route_and_can_be_resolved() -> None:
    async with stage() as run:
        document = (await run.client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert {"/v1/audio/speech", "/v1/models/{model_id}", "/v1/realtime/client_secrets", "/ready"} <= set(
        document["paths"]
    )
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)
    form = document["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"file", "language", "timestamp_granularities", "stream"} <= set(form["schema"]["properties"])


@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer sk-1"}, {"authorization": "Bearer wrong"}, {}, {"host": "rebound.example"},
])  # fmt: skip
async def test_the_first_page_says_what_this_is_to_anybody(headers: dict[str, str]) -> None:
    async with stage(keys=("sk-1",)) as run:
        plain = httpx.Request("GET", f"{run.url}/", headers=headers)
        answer = await run.client.send(plain)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "speech" in answer.text
        assert 'href="/docs"' in answer.text
        assert "1.2.3" not in answer.text
        docs = await run.client.get("/docs")
        for name in ("content-security-policy", "x-content-type-options", "cache-control"):
            directives = [part.split()[0] for part in answer.headers[name].split(";")]
            assert directives == [part.split()[0] for part in docs.headers[name].split(";")]
        assert "script-src 'none'; style-src 'sha256-" in answer.headers["content-security-policy"]
        head = await run.client.send(httpx.Request("HEAD", f"{run.url}/", headers=headers))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))
        assert {**head.headers, "x-request-id": "", "date": ""} == {**answer.headers, "x-request-id": "", "date": ""}


async def test_the_docs_page_needs_nothing_from_elsewhere() -> None:
    async with stage() as run:
        page = await run.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text


# -- faults of ours


async def test_a_fault_of_ours_is_500_without_details() -> None:
    async def broken() -> Readiness:
        raise ZeroDivisionError("secret details")

    async with stage(readiness=broken) as run:
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
