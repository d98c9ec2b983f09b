"""Requests go to the endpoint of their path."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.app.asgi import Doors


async def test_sockets_go_to_the_door_of_their_path_and_the_rest_to_rest() -> None:
    went: list[str] = []

    def door(name: str) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            went.append(name)

        return app

    doors = Doors(door("rest"), {"/v1/realtime": door("realtime")}, {"/socket.io": door("dubbing")})
    for kind, path in [
        ("http", "/v1/realtime"),
        ("websocket", "/v1/realtime/"),
        ("websocket", "/v1/realtime"),
        ("http", "/socket.io/"),
    ]:
        await doors({"type": kind, "path": path}, None, None)
    assert went == ["rest", "realtime", "realtime", "dubbing"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/meetings/m.1/captions", {"meeting": "m.1"}),
        ("/v1/meetings/m.1/captions/", {"meeting": "m.1"}),
        ("/v1/meetings/a/b/captions", None),
        ("/v1/meetings//captions", None),
        ("/v1xmeetings/m/captions", None),
    ],
)
async def test_a_path_with_a_name_in_it_leads_to_its_door_with_what_stands_there(
    path: str, found: dict[str, str] | None
) -> None:
    went: list[Any] = []

    async def captions(scope: Any, receive: Any, send: Any) -> None:
        went.append(scope["path_params"])

    async def send(message: dict[str, Any]) -> None:
        went.append(None if message.get("status") == 404 else ...)

    scope = {"type": "websocket", "path": path, "extensions": {"websocket.http.response": {}}}
    await Doors(captions, {"/v1/meetings/{meeting}/captions": captions}, {})(scope, None, send)
    assert went[0] == found


async def test_a_socket_without_a_door_is_refused_with_a_real_answer() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/telepathy", "extensions": {"websocket.http.response": {}}}
    await Doors(send, {}, {})(scope, send, send)
    assert sent[0]["status"] == 404
    assert b"/v1/telepathy" in sent[1]["body"]
