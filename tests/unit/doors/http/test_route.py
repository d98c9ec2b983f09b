"""Routes are values that features list and the application joins."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from antiphon.doors.history.routes import ROUTES as HISTORY_ROUTES
from antiphon.doors.http.app import build_http
from antiphon.doors.http.forms import FormBody, Upload
from antiphon.doors.http.openapi import Description, describe_api
from antiphon.doors.http.route import JSON, AccessLevel, AnyRoute, Call, NoQuery, Route, bound, open_operations
from antiphon.doors.operation import health
from antiphon.doors.operation.pages import SITE_ROUTES
from antiphon.doors.rest.routes import API_ROUTES
from tests.unit.doors.asgi_call import ask
from tests.unit.doors.rest_stage import stage


async def show(services: Any, call: Call[Any, Any]) -> dict[str, Any]:
    """Say what the handler got."""
    return {"services": services, **call.path_params}


def route(method: str, path: str, *, access: AccessLevel = "key", aliases: tuple[str, ...] = ()) -> AnyRoute:
    return Route(method, path, show, "Show", "test", {JSON: (dict[str, Any],)}, access=access, aliases=aliases)


def test_a_route_opens_its_operation_and_not_its_whole_path() -> None:
    routes = [
        route("GET", "/a", access="open", aliases=("/b",)),
        route("GET", "/c", access="open"),
        route("POST", "/c"),
        route("GET", "/d"),
    ]
    of_get = {(method, path) for method in ("GET", "HEAD", "OPTIONS") for path in ("/a", "/b", "/c")}
    assert open_operations(routes) == of_get


def test_bound_routes_are_new_values() -> None:
    plain = route("GET", "/a")
    (mine,) = bound([plain], "services")
    assert (plain.services, mine.services, mine.path) == (None, "services", "/a")


async def test_routes_of_a_feature_have_their_own_services() -> None:
    feature = bound([route("GET", "/v1/meetings/{meeting_id:int}/notes/{name}")], "meetings")
    async with stage() as run:
        site = bound(SITE_ROUTES, Description(lambda: describe_api(feature, "1")))
        app = build_http((*feature, *site), run.services.access, run.services.metrics)
        host = [("host", "127.0.0.1")]
        answer = await ask(app, path="/v1/meetings/7/notes/a b", headers=host)
        assert answer.body == b'{"services":"meetings","meeting_id":7,"name":"a b"}'
        assert (await ask(app, path="/v1/meetings/x/notes/a", headers=host)).status == 404
        document = await ask(app, path="/openapi.json", headers=host)
        assert b"/v1/meetings/{meeting_id}/notes/{name}" in document.body
        assert b"/health" not in document.body


async def test_a_fixed_path_goes_before_one_with_parameters_however_they_are_listed() -> None:
    async with stage() as run:
        app = build_http(
            bound([route("GET", "/x/{name}"), route("GET", "/x/all")], ""), run.services.access, run.services.metrics
        )
        host = [("host", "127.0.0.1")]
        assert (await ask(app, path="/x/all", headers=host)).body == b'{"services":""}'
        assert (await ask(app, path="/x/one", headers=host)).body == b'{"services":"","name":"one"}'


async def test_two_methods_of_one_path_may_come_from_two_features() -> None:
    async with stage() as run:
        app = build_http(
            (*bound([route("GET", "/x")], "a"), *bound([route("DELETE", "/x")], "b")),
            run.services.access,
            run.services.metrics,
        )
        host = [("host", "127.0.0.1")]
        assert (await ask(app, "DELETE", "/x", headers=host)).body == b'{"services":"b"}'
        assert (await ask(app, "PUT", "/x", headers=host)).headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


async def test_an_operation_that_is_there_already_is_refused_at_the_start() -> None:
    async with stage() as run:
        with pytest.raises(ValueError, match="Two routes answer GET /x"):
            build_http(
                [route("GET", "/x"), route("GET", "/y", aliases=("/x",))], run.services.access, run.services.metrics
            )


async def test_an_open_route_needs_no_key_and_any_other_does() -> None:
    async with stage(keys=("sk-1",)) as run:
        app = build_http(
            bound([route("GET", "/free", access="open"), route("GET", "/shut")], ""),
            run.services.access,
            run.services.metrics,
        )
        assert [(await ask(app, method, "/free")).status for method in ("GET", "HEAD", "OPTIONS")] == [200, 200, 204]
        assert (await ask(app, "POST", "/free")).status == 401
        assert (await ask(app, path="/shut")).status == 401
        assert (await ask(app, path="/shut", headers=[("authorization", "Bearer sk-1")])).status == 200


@pytest.mark.parametrize(
    "listed", [*API_ROUTES, *HISTORY_ROUTES, *health.ROUTES], ids=lambda listed: f"{listed.method} {listed.path}"
)
def test_a_handler_gets_the_body_and_the_query_of_its_entry(listed: AnyRoute) -> None:
    body, query = get_args(get_type_hints(listed.handler)["call"])
    kind = listed.body.kind
    expected = Upload[kind] if isinstance(listed.body, FormBody) else type(None) if kind is None else kind
    assert body == expected
    assert query == (Any if listed.query is NoQuery else listed.query)
