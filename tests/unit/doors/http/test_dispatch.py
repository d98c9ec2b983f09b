"""From a path to an answer, and every failure before its start in one shape."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.dispatch import Faults, Resource, not_found
from antiphon.doors.http.responses import Whole
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route, bound
from antiphon.errors import Overloaded
from antiphon.observe.metrics import Metrics
from tests.unit.doors.asgi_call import Answered, ask


class Note(msgspec.Struct):
    text: str


class Filter(msgspec.Struct):
    limit: int = 1


async def list_notes(services: str, call: Call[Any, Filter]) -> dict[str, Any]:
    return {"services": services, "limit": call.query.limit, "key": call.identity.key_id, "id": call.request_id}


async def add_note(services: str, call: Call[Note, Any]) -> Note:
    return Note(call.body.text.upper())


async def plain(services: str, call: Call[Any, Any]) -> bytes:
    return b"plain"


async def created(services: str, call: Call[Any, Any]) -> Whole:
    return Whole(b"made", "text/plain", status=201, headers={"location": "/1"})


LIST: AnyRoute = Route("GET", "/notes", list_notes, "List", "notes", {JSON: (dict[str, Any],)}, query=Filter)
ADD: AnyRoute = Route("POST", "/notes", add_note, "Add", "notes", {JSON: (Note,)}, body=JsonBody(Note))


def resource(*routes: AnyRoute) -> Faults:
    return Faults(Resource({route.method: route for route in routes}), Metrics())


async def test_a_handler_gets_services_and_what_was_sent() -> None:
    answer = await ask(resource(*bound([LIST, ADD], "core")), path="/notes", query="limit=7")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {"services": "core", "limit": 7, "key": "key_1", "id": "req_1"}
    added = await ask(resource(LIST, ADD), "POST", "/notes", b'{"text": "hi"}')
    assert json.loads(added.body) == {"text": "HI"}


async def test_bytes_have_the_media_type_of_the_route() -> None:
    route: AnyRoute = Route("GET", "/", plain, "Plain", "notes", {"text/plain": (bytes,)})
    answer = await ask(resource(route))
    assert (answer.body, answer.headers) == (b"plain", {"content-type": "text/plain", "content-length": "5"})


async def test_an_answer_may_have_a_status_and_headers_of_its_own() -> None:
    route: AnyRoute = Route("POST", "/", created, "Make", "notes", {"text/plain": (bytes,)})
    answer = await ask(resource(route), "POST")
    assert (answer.status, answer.headers["location"]) == (201, "/1")


async def test_head_is_answered_as_get_is() -> None:
    got, head = await ask(resource(LIST)), await ask(resource(LIST), "HEAD")
    assert (head.status, head.headers) == (got.status, got.headers)


@pytest.mark.parametrize(("routes", "allow"), [
    ([LIST], "GET, HEAD, OPTIONS"),
    ([ADD], "OPTIONS, POST"),
    ([LIST, ADD], "GET, HEAD, OPTIONS, POST"),
])  # fmt: skip
async def test_another_method_is_told_those_of_the_path(routes: list[AnyRoute], allow: str) -> None:
    refused = await ask(resource(*routes), "DELETE", "/notes/")
    assert (refused.status, refused.headers["allow"]) == (405, allow)
    assert refused.error["code"] == "method_not_allowed"
    assert refused.error["message"] == "DELETE is not possible for /notes/."
    asked = await ask(resource(*routes), "OPTIONS", "/notes")
    assert (asked.status, asked.headers, asked.body) == (204, {"allow": allow}, b"")


async def test_a_path_that_is_not_there_is_404_and_told_as_it_was_sent() -> None:
    refused = await ask(Faults(not_found, Metrics()), path="//nothing/")
    assert (refused.status, refused.error["code"]) == (404, "unknown_url")
    assert refused.error["message"] == "There is nothing at GET //nothing/."


@pytest.mark.parametrize(("sent", "plain_path"), [
    ("", "/"), ("/", "/"), ("//", "/"), ("/a/", "/a"), ("//a//b", "/a/b"), ("a", "/a"), ("/a/../b", "/a/../b"),
])  # fmt: skip
async def test_doubled_and_trailing_slashes_are_not_seen_by_the_router(sent: str, plain_path: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Whole(scope["path"].encode(), "text/plain")(scope, receive, send)

    assert (await ask(Faults(app, Metrics()), path=sent)).body.decode() == plain_path


def failing(error: Exception, *, started: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


async def test_an_error_of_ours_is_answered_and_counted() -> None:
    metrics = Metrics()
    answer = await ask(Faults(failing(Overloaded("Full.")), metrics))
    assert (answer.status, answer.error["message"], answer.headers["retry-after"]) == (503, "Full.", "1")
    labels = {"area": "speech", "type": answer.error["type"]}
    assert metrics.registry.get_sample_value("errors_total", labels) == 1.0


async def test_a_fault_is_logged_whole_and_told_without_details() -> None:
    with capture_logs() as logs:
        answer = await ask(Faults(failing(ValueError("a secret")), Metrics()))
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"a secret" not in answer.body
    assert "req_1" in answer.error["message"]
    assert isinstance(logs[0]["exc_info"], ValueError)


@pytest.mark.parametrize("error", [Overloaded("Full."), ValueError("a secret")])
async def test_behind_the_start_of_an_answer_nothing_more_is_said(error: Exception) -> None:
    answered = Answered()
    with pytest.raises((RuntimeError, ValueError)):
        await Faults(failing(error, started=True), Metrics())({"path": "/", "state": {}}, None, answered.send)
    assert len(answered.messages) == 1
