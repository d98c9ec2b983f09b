"""Every REST request needs a key but the open ones, and every answer has an id and the headers of all answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.access.middleware import AccessMiddleware, plain_headers
from antiphon.doors.http.responses import Whole
from antiphon.doors.server.exchange import Exchange, extensions_of
from antiphon.errors import NotFound
from antiphon.observe.metrics import Metrics
from tests.unit.doors.asgi_call import Answered, receiver, scope_of
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


# -- without a server


class Carrier:
    """A connection that notes whether the key was right."""

    is_too_much_to_read = False
    is_admitted = False

    def admit(self) -> None:
        self.is_admitted = True

    def hold(self, held_bytes: int) -> None:
        """Nothing is counted here."""

    def evict(self) -> None:
        """Nothing ends here."""


async def shown(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the key that was let in."""
    await Whole(scope["state"]["identity"].key_id.encode(), "text/plain")(scope, receive, send)


async def asked(app: Any, path: str, key: str = "", carrier: Carrier | None = None) -> tuple[Answered, Metrics]:
    """Ask a server with the key ``sk-1`` whose ``GET /free`` is open."""
    metrics, answered = Metrics(), Answered()
    access = Access(["sk-1"], EphemeralSecrets(b"a secret key of the tests that is long"), VirtualClock())
    guarded = AccessMiddleware(app, access, metrics, {("GET", "/free")})
    headers = [("authorization", f"Bearer {key}")] if key else []
    exchange = Exchange(carrier or Carrier(), receiver(), answered.send)
    scope = {**scope_of(path=path, headers=headers), "state": {}, "extensions": extensions_of(exchange)}
    await guarded(scope, receiver(), answered.send)
    return answered, metrics


def counted(metrics: Metrics, door: str, outcome: str) -> float | None:
    return metrics.registry.get_sample_value("requests_total", {"door": door, "outcome": outcome})


@pytest.mark.parametrize(("path", "door"), [
    ("/v1/realtime/client_secrets", "realtime"), ("/v1/models", "speech"), ("/docs", "site"), ("/free", "health"),
])  # fmt: skip
async def test_a_request_is_counted_by_its_door(path: str, door: str) -> None:
    answered, metrics = await asked(shown, path, "sk-1")
    assert (answered.status, counted(metrics, door, "done")) == (200, 1)
    answered, metrics = await asked(shown, path if path != "/free" else "/", "sk-2")
    assert (answered.status, counted(metrics, door, "refused")) == (401, 1)


async def test_the_server_hears_of_a_right_key_and_of_no_other() -> None:
    for path, key, is_admitted in (("/shut", "sk-1", True), ("/shut", "sk-2", False), ("/free", "", False)):
        carrier = Carrier()
        await asked(shown, path, key, carrier)
        assert carrier.is_admitted is is_admitted


async def test_a_caller_of_an_open_route_is_anonymous() -> None:
    assert (await asked(shown, "/free", "sk-2"))[0].body == b"probe"
    assert (await asked(shown, "/shut", "sk-1"))[0].body.startswith(b"key_")


async def test_an_error_of_the_application_is_answered_with_its_id() -> None:
    async def missing(scope: Any, receive: Any, send: Any) -> None:
        raise NotFound("no")

    answered, metrics = await asked(missing, "/v1/models", "sk-1")
    assert (answered.status, answered.error["code"]) == (404, "not_found")
    assert answered.headers["x-request-id"].startswith("req_")
    assert metrics.registry.get_sample_value("errors_total", {"area": "speech", "type": "not_found_error"}) == 1


async def test_a_fault_passes_and_counts_as_failed() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    metrics = Metrics()
    access = Access([], EphemeralSecrets(b"a secret key of the tests that is long"), VirtualClock())
    scope = scope_of(path="/v1/models", headers=[("host", "localhost")])
    with pytest.raises(ZeroDivisionError):
        await AccessMiddleware(broken, access, metrics, frozenset())(scope, receiver(), Answered().send)
    assert counted(metrics, "speech", "failed") == 1


async def test_other_traffic_passes_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    access = Access(["sk-1"], EphemeralSecrets(b"a secret key of the tests that is long"), VirtualClock())
    await AccessMiddleware(app, access, Metrics(), frozenset())({"type": "websocket"}, 1, 2)
    assert seen == [({"type": "websocket"}, 1, 2)]


def test_an_answer_keeps_its_own_headers() -> None:
    assert plain_headers([]) == [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
    assert plain_headers([(b"Cache-Control", b"max-age=9")]) == [(b"x-content-type-options", b"nosniff")]
