"""The history over REST: answers, refusals, and the end of a session."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.doors.access.authentication import Access, key_id
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.history.routes import ROUTES, HistoryServices
from antiphon.doors.http.app import build_http
from antiphon.doors.http.route import bound
from antiphon.doors.websocket.session_history import ended_session
from antiphon.entities.history import StoredSession
from antiphon.observe.metrics import Metrics
from tests.unit.doors.asgi_call import Answered, ask
from tests.unit.doors.history.stage import Stage, live, row, session, staged

KEY = "sk-history-of-these-tests"
TENANT = "default"
ENDED_AT = 77.0
ITEMS, SESSION = "/v1/sessions/s/items", "/v1/realtime/sessions/s"


class Served:
    """The routes over a reader, without a server."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stopped: list[tuple[str, str]] = []
        self.secrets = EphemeralSecrets(b"k" * 32)
        routes = bound(ROUTES, HistoryServices(stage.reader, self.stop))
        self.app = build_http(routes, Access([KEY], self.secrets, stage.clock), Metrics())

    async def stop(self, tenant: str, session_id: str) -> StoredSession | None:
        ended = await self.stage.sessions.stop(tenant, session_id)
        if ended is None:
            return None
        self.stopped.append((tenant, session_id))
        return ended_session(ended, "disconnected", ENDED_AT, "realtime", model="live", config=b'{"model":"live"}')

    async def ask(self, path: str, query: str = "", *, method: str = "GET", key: str = KEY) -> Answered:
        return await ask(self.app, method, path, query=query, headers=[("authorization", f"Bearer {key}")])

    async def told(self, path: str, query: str = "", *, method: str = "GET") -> dict[str, Any]:
        """Return what a request is answered."""
        answer = await self.ask(path, query, method=method)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with staged(tmp_path) as stage:
        yield Served(stage)


async def test_items_are_listed_as_the_client_saw_them(served: Served) -> None:
    await served.stage.saved("s", live("b", 2, interrupted=True), tenant=TENANT)
    await served.stage.stored(row("a", 1, tenant=TENANT))
    now = served.stage.clock.wall()
    page = await served.told(ITEMS)
    said = {"type": "message", "object": "realtime.item", "status": "completed", "role": "user"}
    assert page == {
        "object": "list",
        "data": [
            {
                **said,
                "id": "b",
                "content": [{"type": "input_text", "text": "b 1"}],
                "created_at": now,
                "interrupted": True,
            },
            {
                "id": "a",
                "type": "message",
                "content": [{"type": "input_text", "text": "a 1"}],
                "created_at": 101.0,
                "interrupted": False,
            },
        ],
        "first_id": "b",
        "last_id": "a",
        "has_more": False,
    }
    page = await served.told(ITEMS, "order=asc&limit=1")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["a"], True)
    page = await served.told(ITEMS, f"order=asc&limit=1&after={page['last_id']}")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["b"], False)
    page = await served.told(ITEMS, "after=a")
    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)


async def test_a_session_is_shown_with_its_configuration_at_both_paths(served: Served) -> None:
    over = {"closed_at": 20.0, "status": "expired", "config": b'{"type":"realtime"}', "model": "m", "key_id": "key_1"}
    await served.stage.stored(session(tenant=TENANT, **over))
    expected = {
        "id": "s",
        "object": "session",
        "kind": "realtime",
        "status": "expired",
        "model": "m",
        "conversation_id": None,
        "project_id": "default",
        "key_id": "key_1",
        "created_at": 10.0,
        "closed_at": 20.0,
        "session": {"type": "realtime"},
    }
    for path in (SESSION, "/v1/sessions/s"):
        assert await served.told(path) == expected
    del expected["session"]
    assert (await served.told("/v1/sessions"))["data"] == [expected]


async def test_sessions_are_listed_by_time_and_kind(served: Served) -> None:
    kinds = ("realtime", "translation", "realtime", "dubbing")
    await served.stage.stored(
        *(session(f"s{at}", float(at), tenant=TENANT, kind=kind) for at, kind in enumerate(kinds))
    )
    page = await served.told("/v1/sessions", "limit=2")
    assert ([one["id"] for one in page["data"]], page["first_id"], page["last_id"]) == (["s3", "s2"], "s3", "s2")
    page = await served.told("/v1/sessions", "limit=2&after=s2")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["s1", "s0"], False)
    for query, expected in (
        ("kind=realtime&order=asc", ["s0", "s2"]),
        ("created_after=1&created_before=3&order=asc", ["s1", "s2"]),
        ("created_after=0.5&created_before=1.5", ["s1"]),
        ("kind=captions", []),
    ):
        assert [one["id"] for one in (await served.told("/v1/sessions", query))["data"]] == expected


# -- refusals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "query", "param"), [
    (ITEMS, "limit=0", "limit"),
    (ITEMS, "limit=101", "limit"),
    (ITEMS, "limit=nan", "limit"),
    (ITEMS, "limit=1.5", "limit"),
    (ITEMS, "order=down", "order"),
    ("/v1/sessions", "limit=-1", "limit"),
    ("/v1/sessions", "kind=call", "kind"),
    ("/v1/sessions", "created_after=nan", "created_after"),
    ("/v1/sessions", "created_before=inf", "created_before"),
    ("/v1/sessions", "created_before=-1", "created_before"),
    ("/v1/sessions", "created_after=soon", "created_after"),
])  # fmt: skip
async def test_a_wrong_query_is_refused_by_its_field(served: Served, path: str, query: str, param: str) -> None:
    await served.stage.stored(session(tenant=TENANT))
    answer = await served.ask(path, query)
    assert (answer.status, answer.error["param"], answer.error["type"]) == (400, param, "invalid_request_error")


@pytest.mark.parametrize("path", [ITEMS, "/v1/sessions"])
@pytest.mark.parametrize("after", ["none", "a%00", "%ED%A0%80", "theirs"])
async def test_an_unknown_cursor_is_refused(served: Served, path: str, after: str) -> None:
    await served.stage.stored(session(tenant=TENANT), row("a", 1, tenant=TENANT))
    await served.stage.stored(session("theirs", tenant="u"), row("theirs", 1, tenant="u"))
    answer = await served.ask(path, f"after={after}")
    error = answer.error
    assert (answer.status, error["param"], error["code"]) == (400, "after", "unknown_cursor")


@pytest.mark.parametrize("name", ["none", "theirs", "s\0", "\ud800"])
@pytest.mark.parametrize("path", ["/v1/sessions/{}/items", "/v1/sessions/{}", "/v1/realtime/sessions/{}"])
async def test_an_unknown_session_is_not_found_and_nobody_learns_of_another_tenants(
    served: Served, path: str, name: str
) -> None:
    await served.stage.saved("theirs", live("a", 1), tenant="u")
    await served.stage.stored(session("theirs", tenant="u"), row("a", 1, session="theirs", tenant="u"))
    for method in ("GET", "DELETE") if "realtime" in path else ("GET",):
        answer = await served.ask(path.format(name), method=method)
        unknown = await served.ask(path.format("x"), method=method)
        assert answer.status == unknown.status == 404
        assert {**answer.error, "message": ""} == {**unknown.error, "message": ""}
        assert answer.error["code"] == "session_not_found"
        shown = name.replace("\ud800", "?")
        assert answer.error["message"] == unknown.error["message"].replace("'x'", f"'{shown}'")
    assert served.stopped == []


@pytest.mark.parametrize("path", [ITEMS, SESSION, "/v1/sessions/s", "/v1/sessions"])
async def test_a_client_secret_and_a_wrong_key_open_nothing(served: Served, path: str) -> None:
    await served.stage.stored(session(tenant=TENANT), row("a", 1, tenant=TENANT))
    now = served.stage.clock.wall()
    secret = served.secrets.issue(b"{}", TENANT, 60, now, issuer=key_id(KEY), kind="realtime").value
    answer = await served.ask(path, key=secret)
    assert (answer.status, answer.error["code"]) == (403, "key_scope")
    assert (await served.ask(path, key="sk-wrong")).status == 401
    if path == SESSION:
        assert (await served.ask(path, method="DELETE", key=secret)).status == 403
    assert served.stopped == []


async def test_head_and_options_are_answered_as_on_other_routes(served: Served) -> None:
    await served.stage.stored(session(tenant=TENANT), row("a", 1, tenant=TENANT))
    for path, methods in ((ITEMS, "GET, HEAD, OPTIONS"), (SESSION, "DELETE, GET, HEAD, OPTIONS")):
        assert (await served.ask(path, method="HEAD")).status == 200
        options = await served.ask(path, method="OPTIONS")
        assert (options.status, options.headers["allow"]) == (204, methods)
        refused = await served.ask(path, method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, methods)


async def test_while_the_database_is_away_every_route_says_so(served: Served) -> None:
    await served.stage.saved("s", live("a", 1), tenant=TENANT)
    await served.stage.store.close()
    for path in (ITEMS, SESSION, "/v1/sessions"):
        answer = await served.ask(path)
        assert (answer.status, answer.error["type"], answer.error["code"]) == (503, "api_error", "store_unavailable")
        assert answer.headers["retry-after"] == "1"
    ended = await served.told(SESSION, method="DELETE")
    assert (ended["status"], ended["closed_at"]) == ("disconnected", ENDED_AT), "it is ended all the same"
    assert (await served.ask(SESSION, method="DELETE")).status == 503


# -- the end of a session ----------------------------------------------------------------------------------------------
async def test_a_session_that_is_ended_is_shown_as_closed_and_keeps_its_items(served: Served) -> None:
    await served.stage.stored(session(tenant=TENANT), row("a", 1, tenant=TENANT))
    await served.stage.saved("s", live("a", 1), tenant=TENANT)
    assert (await served.told(SESSION))["status"] == "connected"
    ended = await served.told(SESSION, method="DELETE")
    assert (ended["id"], ended["status"], ended["closed_at"]) == ("s", "disconnected", ENDED_AT)
    assert ended["session"]["model"] == "live"
    assert [one["id"] for one in (await served.told(ITEMS))["data"]] == ["a"]
    again = await served.told(SESSION, method="DELETE")
    assert (again["status"], again["closed_at"]) == ("disconnected", None), "the row of its end is not there yet"
    assert served.stopped == [(TENANT, "s")]


async def test_ending_a_session_that_is_over_changes_nothing(served: Served) -> None:
    await served.stage.stored(session(tenant=TENANT, status="expired", closed_at=20.0))
    ended = await served.told(SESSION, method="DELETE")
    assert (ended["status"], ended["closed_at"]) == ("expired", 20.0)


async def test_only_realtime_sessions_can_be_ended(served: Served) -> None:
    await served.stage.stored(session(tenant=TENANT, kind="translation"))
    answer = await served.ask(SESSION, method="DELETE")
    assert (answer.status, answer.error["code"]) == (400, "wrong_session_kind")
    assert (answer.error["param"], served.stopped) == ("session_id", [])
