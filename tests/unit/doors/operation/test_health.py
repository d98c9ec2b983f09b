from __future__ import annotations

import httpx
import pytest

from antiphon.doors.operation.services import Readiness
from tests.unit.doors.rest_stage import SPEECH, stage, told


async def test_health_shows_only_its_status_without_a_key() -> None:
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
