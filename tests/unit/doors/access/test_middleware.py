from __future__ import annotations

import httpx

from tests.unit.doors.rest_stage import SPEECH, assert_error, stage


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
