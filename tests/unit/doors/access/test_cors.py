"""What a browser is told before a page of another origin may send a request, or read an answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from antiphon.ports.limiter import Account, Allowance
from tests.unit.doors.rest_stage import Stage, stage

KEY = "sk-field-0123456789abcdef"
ORIGIN = "http://localhost:3000"
SDK = ("arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout")
SPEECH = {"input": "Hello.", "model": "tts-1", "voice": "alloy", "response_format": "pcm"}


async def preflight(run: Stage, path: str, asked: str, origin: str = ORIGIN, method: str = "POST") -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": asked}
    return await run.client.send(httpx.Request("OPTIONS", run.url + path, headers=headers))


def listed(answer: httpx.Response, name: str) -> set[str]:
    value = answer.headers.get(f"access-control-allow-{name}", "")
    return {part.strip() for part in value.split(",") if part.strip()}


@pytest.mark.parametrize(
    "asked",
    [
        ["authorization", "content-type", *(f"x-stainless-{name}" for name in SDK)],
        ["x-request-id", "x-trace-id", "openai-organization", "idempotency-key"],
        ["authorization"],
        [],
    ],
)
async def test_a_page_of_an_allowed_origin_may_send_the_headers_that_it_asks_for(asked: list[str]) -> None:
    async with stage(keys=(KEY,), allowed_origins=(ORIGIN,)) as run:
        for path in ("/v1/audio/speech", "/v1/models", "/nothing"):
            answer = await preflight(run, path, ",".join(asked))
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert listed(answer, "headers") == set(asked)
            assert {"GET", "POST"} <= listed(answer, "methods")


async def test_an_invalid_header_name_is_not_allowed() -> None:
    async with stage(allowed_origins=(ORIGIN,)) as run:
        answer = await preflight(run, "/v1/models", 'x-one, two words, "three", ,x-four')
        assert listed(answer, "headers") == {"x-one", "x-four"}


async def test_a_page_of_another_origin_is_told_nothing() -> None:
    async with stage(keys=(KEY,), allowed_origins=(ORIGIN,)) as run:
        for origin in ("https://evil.example", "null", "http://localhost:3001", f"{ORIGIN}.evil.example"):
            answers = [
                await preflight(run, "/v1/audio/speech", "authorization", origin),
                await run.client.get("/v1/models", headers={"origin": origin}),
                await run.client.get("/nothing", headers={"origin": origin}),
            ]
            told = {name for answer in answers for name in answer.headers if name.startswith("access-control-")}
            assert told == set()
            assert {answer.headers["vary"] for answer in answers} == {"origin"}


@pytest.mark.parametrize("setting", [ORIGIN, f"{ORIGIN}/", "HTTP://LOCALHOST:3000", "*"])
async def test_an_origin_is_allowed_in_any_spelling_of_the_setting(setting: str) -> None:
    async with stage(keys=(KEY,), allowed_origins=("https://other.example", setting)) as run:
        assert (await preflight(run, "/v1/models", "")).headers["access-control-allow-origin"] == ORIGIN


async def test_without_allowed_origins_no_page_is_told_anything() -> None:
    async with stage(keys=(KEY,)) as run:
        answer = await run.client.get("/v1/models", headers={"origin": ORIGIN})
        assert not {name for name in answer.headers if name.startswith("access-control-")}
        assert not listed(await preflight(run, "/v1/models", "authorization"), "headers")


class UsedUp:
    """A limit without anything left."""

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        return (Allowance("requests", 1, 0, 7),)

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        return self.allowances(account)


def refused_requests(run: Stage) -> list[tuple[int, httpx.Request]]:
    """One request for each status of an error."""
    key = {"authorization": f"Bearer {KEY}"}
    rows: list[tuple[int, str, str, dict[str, Any]]] = [
        (400, "POST", "/v1/audio/speech", {"json": {}, "headers": key}),
        (401, "GET", "/v1/models", {}),
        (401, "POST", "/v1/audio/speech", {"json": SPEECH, "headers": {"authorization": "Bearer wrong"}}),
        (404, "GET", "/nothing", {"headers": key}),
        (404, "GET", "/v1/models/nothing", {"headers": key}),
        (405, "DELETE", "/v1/models", {"headers": key}),
        (
            413,
            "POST",
            "/v1/audio/speech",
            {"content": b"x" * (2**20 + 1), "headers": {**key, "content-type": "application/json"}},
        ),
        (429, "POST", "/v1/audio/speech", {"json": SPEECH, "headers": key}),
        (500, "GET", "/ready", {"headers": key}),
    ]
    return [(status, httpx.Request(method, run.url + path, **more)) for status, method, path, more in rows]


async def test_a_page_of_an_allowed_origin_may_read_every_error() -> None:
    async def fault() -> Any:
        raise RuntimeError("a fault")

    async with stage(keys=(KEY,), allowed_origins=(ORIGIN,), limiter=UsedUp(), readiness=fault) as run:
        for status, request in refused_requests(run):
            request.headers["origin"] = ORIGIN
            with capture_logs():  # showing a traceback takes seconds
                answer = await run.client.send(request)
            assert (answer.status_code, set(answer.json())) == (status, {"error"})
            assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN], status
            assert {"x-request-id", "retry-after"} <= set(answer.headers["access-control-expose-headers"].split(", "))
