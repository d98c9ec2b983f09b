"""One WebSocket, from its handshake to its close."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from antiphon.doors.server.socket import SOCKET
from antiphon.doors.websocket.connection import refuse
from antiphon.errors import Overloaded, RateLimited, Unauthenticated
from antiphon.observe.trace import traceparent
from tests.unit.doors.websocket.stage import Echo, Peer, Socket, Stage, ask, connections, running


# -- one connection ----------------------------------------------------------------------------------------------------
async def test_frames_reach_the_session_in_order_until_the_client_leaves() -> None:
    stage = Stage(connections())
    stage.peer.says(text="a")
    stage.peer.says(bytes=b"b")
    stage.peer.leaves(code=1001)
    await stage.run()
    assert stage.session is not None
    assert stage.session.got == ["a", b"b"]
    assert stage.session.done == ["open", "frame", "frame", "close"]
    assert [message["text"] for message in stage.peer.sent] == ["you said 'a'", "you said b'b'"]


async def test_a_session_that_hangs_up_is_flushed_and_closed_with_its_code() -> None:
    async with running(connections()) as (stage,):
        assert stage.connection is not None
        stage.connection.hang_up(1000, "")
        stage.connection.hang_up(1011, "too late")
    assert stage.session is not None
    assert stage.session.done == ["open", "flushed", "close"]
    assert stage.peer.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_a_session_may_hang_up_before_its_first_frame() -> None:
    stage = Stage(connections(), fails_at="hang up at once")
    async with asyncio.timeout(10):
        await stage.run()
    assert stage.peer.sent == [{"type": "websocket.close", "code": 1008, "reason": "no"}]


async def test_a_client_that_has_left_before_its_close_is_no_error() -> None:
    async with running(connections()) as (stage,):
        assert stage.connection is not None
        stage.peer.has_left = True
        stage.connection.hang_up(1000, "")
    assert stage.peer.sent == []


@pytest.mark.parametrize("where", ["open", "frame"])
async def test_a_session_that_fails_is_closed_all_the_same(where: str) -> None:
    everyone = connections(most=1)
    stage = Stage(everyone, fails_at=where)
    stage.peer.says(text="a")
    with pytest.raises(ExceptionGroup) as failed:
        await stage.run()
    assert failed.group_contains(ValueError, match=where)
    assert stage.session is not None
    assert stage.session.done[-1] == "close"
    ask(everyone)


async def test_a_frame_goes_through_the_servers_own_socket_where_there_is_one() -> None:
    peer, socket = Peer(), Socket()
    with connections().connect({"headers": [], "extensions": {SOCKET: socket}}, peer.receive, peer.send) as connection:
        assert connection.write(b"quick")
        socket.takes = False
        assert not connection.write(b"later")
        await connection.send_text("später".encode())
        connection.abort()
    assert (socket.written, socket.aborted) == ([b"quick", "später".encode()], 1)
    assert peer.sent == []


async def test_without_such_a_socket_every_frame_has_to_wait() -> None:
    peer = Peer()
    with connections().connect({"headers": []}, peer.receive, peer.send) as connection:
        assert not connection.write(b"quick")
        await connection.send_text("später".encode())
        connection.abort()
        assert connection.code == 1008
    assert peer.sent == [{"type": "websocket.send", "text": "später"}]


# -- refusals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("error", "status", "header"), [
    (Unauthenticated("no key"), 401, b"www-authenticate"),
    (RateLimited("slow down", retry_after_s=7), 429, b"retry-after"),
    (Overloaded("full"), 503, b"retry-after"),
])  # fmt: skip
async def test_a_refused_handshake_is_a_real_http_answer(error: Any, status: int, header: bytes) -> None:
    peer = Peer()
    await refuse(peer.send, error)
    start, body = peer.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert header in dict(start["headers"])
    told = json.loads(body["body"])["error"]
    assert (told["message"], told["type"], told["code"]) == (error.message, error.type, error.code)
    assert int(dict(start["headers"])[b"content-length"]) == len(body["body"])


async def test_what_a_connection_leads_to_belongs_to_the_trace_of_its_handshake() -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    found: list[str] = []
    scope = {"headers": [(b"traceparent", given.encode())]}
    peer = Peer()
    with connections().connect(scope, peer.receive, peer.send) as connection:

        def make(group: asyncio.TaskGroup) -> Echo:
            found.append(traceparent())
            connection.hang_up(1000, "enough")
            return Echo(connection)

        await connection.run(make, session_id="sess_1", tenant="default", key_id="key_1")
    assert [header[:36] for header in found] == [given[:36]]
    assert traceparent() == ""
