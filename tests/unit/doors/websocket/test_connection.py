"""A WebSocket from its handshake to its close, and all of them at a drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.server.socket import SOCKET
from antiphon.doors.websocket.connection import Connection, ConnectionRegistry, refuse
from antiphon.errors import Overloaded, RateLimited, Unauthenticated
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import traceparent
from antiphon.ports.limiter import Account
from tests.virtual_time import on_virtual_time


class Peer:
    """The other side of a connection, as ASGI shows it."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.has_left = False

    async def receive(self) -> dict[str, Any]:
        return await self.frames.get()

    async def send(self, message: dict[str, Any]) -> None:
        if self.has_left:
            raise ConnectionResetError
        self.sent.append(message)

    def says(self, **frame: Any) -> None:
        self.frames.put_nowait({"type": "websocket.receive", **frame})

    def leaves(self, **fields: Any) -> None:
        self.frames.put_nowait({"type": "websocket.disconnect", **fields})


class Socket:
    """What the server offers beside ASGI."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.written: list[bytes] = []
        self.aborted = 0

    def write(self, text: bytes) -> bool:
        if self.takes:
            self.written.append(text)
        return self.takes

    async def send_text(self, text: bytes) -> None:
        self.written.append(text)

    def abort(self) -> None:
        self.aborted += 1


class Echo:
    """A link that echoes what it gets, and fails where it is told to."""

    def __init__(self, connection: Connection, *, fails_at: str = "") -> None:
        self.connection = connection
        self.done: list[str] = []
        self.got: list[Any] = []
        self.looks = 0
        """How often somebody has asked whether it is answering."""
        self._is_answering = False
        self._fails_at = fails_at

    @property
    def is_answering(self) -> bool:
        self.looks += 1
        return self._is_answering

    @is_answering.setter
    def is_answering(self, value: bool) -> None:
        self._is_answering = value

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self._fails_at:
            raise ValueError(what)

    def open(self) -> None:
        self._do("open")
        if self._fails_at == "hang up at once":
            self.connection.hang_up(1008, "no")

    async def frame(self, frame: str | bytes | None) -> None:
        self._do("frame")
        self.got.append(frame)
        await self.connection.send_text(f"you said {frame!r}".encode())

    async def flushed(self) -> None:
        self._do("flushed")

    async def close(self) -> None:
        self._do("close")


class Stage:
    """One connection under way."""

    def __init__(self, connections: ConnectionRegistry, *, socket: Socket | None = None, fails_at: str = "") -> None:
        self.peer = Peer()
        self.link: Echo | None = None
        self._connections = connections
        self._fails_at = fails_at
        self._scope = {"headers": [], "extensions": {} if socket is None else {SOCKET: socket}}
        self.connection: Connection | None = None

    async def run(self) -> None:
        with self._connections.connect(self._scope, self.peer.receive, self.peer.send) as connection:
            self.connection = connection

            def make(group: asyncio.TaskGroup) -> Echo:
                self.link = Echo(connection, fails_at=self._fails_at)
                return self.link

            await connection.run(make, session_id="sess_1", tenant="default", key_id="key_1")


def connections(*, most: int = 10) -> ConnectionRegistry:
    return ConnectionRegistry(Metrics(), most=most)


@contextlib.asynccontextmanager
async def running(everyone: ConnectionRegistry, count: int = 1) -> AsyncIterator[list[Stage]]:
    """Run some connections; all must have ended when the block does."""
    stages = [Stage(everyone) for _ in range(count)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for stage in stages:
            group.create_task(stage.run())
        while any(stage.connection is None or stage.link is None or not stage.link.done for stage in stages):
            await asyncio.sleep(0)
        yield stages


# -- one connection ----------------------------------------------------------------------------------------------------
async def test_frames_reach_the_link_in_order_until_the_client_leaves() -> None:
    stage = Stage(connections())
    stage.peer.says(text="a")
    stage.peer.says(bytes=b"b")
    stage.peer.leaves(code=1001)
    await stage.run()
    assert stage.link is not None
    assert stage.link.got == ["a", b"b"]
    assert stage.link.done == ["open", "frame", "frame", "close"]
    assert [message["text"] for message in stage.peer.sent] == ["you said 'a'", "you said b'b'"]


async def test_a_link_that_hangs_up_is_flushed_and_closed_with_its_code() -> None:
    async with running(connections()) as (stage,):
        assert stage.connection is not None
        stage.connection.hang_up(1000, "")
        stage.connection.hang_up(1011, "too late")
    assert stage.link is not None
    assert stage.link.done == ["open", "flushed", "close"]
    assert stage.peer.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_a_link_may_hang_up_before_it_has_heard_anything() -> None:
    stage = Stage(connections(), fails_at="hang up at once")
    async with asyncio.timeout(5):
        await stage.run()
    assert stage.peer.sent == [{"type": "websocket.close", "code": 1008, "reason": "no"}]


async def test_the_close_of_a_client_that_has_left_first_is_nobodys_error() -> None:
    async with running(connections()) as (stage,):
        assert stage.connection is not None
        stage.peer.has_left = True
        stage.connection.hang_up(1000, "")
    assert stage.peer.sent == []


@pytest.mark.parametrize("where", ["open", "frame"])
async def test_a_link_that_fails_is_closed_all_the_same(where: str) -> None:
    everyone = connections(most=1)
    stage = Stage(everyone, fails_at=where)
    stage.peer.says(text="a")
    with pytest.raises(ExceptionGroup) as failed:
        await stage.run()
    assert failed.group_contains(ValueError, match=where)
    assert stage.link is not None
    assert stage.link.done[-1] == "close"
    ask(everyone)


async def test_a_frame_goes_through_the_servers_own_socket_where_there_is_one() -> None:
    peer, socket = Peer(), Socket()
    with connections().connect({"headers": [], "extensions": {SOCKET: socket}}, peer.receive, peer.send) as connection:
        assert connection.write(b"quick")
        socket.takes = False
        assert not connection.write(b"later")
        await connection.send_text("später".encode())
        connection.give_up()
    assert (socket.written, socket.aborted) == ([b"quick", "später".encode()], 1)
    assert peer.sent == []


async def test_without_such_a_socket_every_frame_has_to_wait() -> None:
    peer = Peer()
    with connections().connect({"headers": []}, peer.receive, peer.send) as connection:
        assert not connection.write(b"quick")
        await connection.send_text("später".encode())
        connection.give_up()
        assert connection._closing == (1008, "the client does not read")
    assert peer.sent == [{"type": "websocket.send", "text": "später"}]


# -- all connections ---------------------------------------------------------------------------------------------------
def ask(everyone: ConnectionRegistry, key: str = "key_one") -> None:
    """Take a place and leave it."""
    with everyone.place(Account("t", key)):
        pass


def refusals(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("rate_limits_total", {"limit": "connections"})


def test_a_key_has_only_so_many_places_and_others_have_theirs() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics, most_per_key=2)
    mine = Account("t", "key_one")
    with everyone.place(mine), everyone.place(mine):
        with pytest.raises(RateLimited) as refused:
            ask(everyone)
        assert refused.value.code == "too_many_connections"
        ask(everyone, "key_two")
    ask(everyone)
    assert refusals(metrics) == 1


def test_only_so_many_are_let_in_also_while_none_of_them_is_accepted_yet() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics, most=2)
    with everyone.place(Account("t", "key_one")):
        with everyone.place(Account("t", "key_two")), pytest.raises(Overloaded):
            ask(everyone)
        ask(everyone)
    assert refusals(metrics) == 1


async def test_who_comes_during_a_drain_is_refused_by_no_limit() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics)
    await everyone.drain(0)
    with pytest.raises(Overloaded):
        ask(everyone)
    assert refusals(metrics) is None


async def test_connections_are_counted_while_they_last() -> None:
    metrics = Metrics()
    everyone = ConnectionRegistry(metrics)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"door": "realtime", **labels})

    async with running(everyone, 3) as stages:
        assert sample("active_connections") == 3.0
        for stage in stages:
            stage.peer.says(text="a")
            stage.peer.leaves()
    assert sample("active_connections") == 0.0
    assert sample("requests_total", outcome="done") == 3.0
    assert sample("websocket_message_processing_count") == 3.0


@on_virtual_time
async def test_a_drain_lets_answers_end_and_closes_the_others_at_once(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone, 2) as (idle, busy):
        assert busy.link is not None
        busy.link.is_answering = True
        begin = clock.now()
        draining = asyncio.ensure_future(everyone.drain(10.0))
        await asyncio.sleep(1.0)
        with pytest.raises(Overloaded):
            ask(everyone)
        assert [message["code"] for message in idle.peer.sent] == [1012]
        assert busy.peer.sent == []
        busy.link.is_answering = False
        assert busy.connection is not None
        busy.connection.rest()
        await asyncio.sleep(0.001)
        assert clock.now() - begin < 1.1
        assert [message["code"] for message in busy.peer.sent] == [1012]
        assert draining.done()


@on_virtual_time
async def test_a_drain_has_an_end_also_when_an_answer_has_none(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone) as (stage,):
        assert stage.link is not None
        stage.link.is_answering = True
        begin = clock.now()
        await everyone.drain(10.0)
        assert 10.0 <= clock.now() - begin < 11.0
        assert [message["code"] for message in stage.peer.sent] == [1012]


@on_virtual_time
async def test_a_drain_does_not_wait_for_a_connection_that_cannot_be_closed(clock: VirtualClock) -> None:
    everyone = connections()
    with everyone.connect({"headers": []}, Peer().receive, Peer().send) as connection:
        begin = clock.now()
        await everyone.drain(1.0)
        assert 3.0 <= clock.now() - begin < 4.0
        assert connection._closing == (1012, "the server is going down")


@on_virtual_time
async def test_a_connection_that_is_accepted_during_a_drain_goes_at_once(clock: VirtualClock) -> None:
    everyone, stage = connections(), None
    async with running(everyone) as (busy,):
        assert busy.link is not None
        busy.link.is_answering = True
        draining = asyncio.ensure_future(everyone.drain(10.0))
        await asyncio.sleep(0.1)
        begin = clock.now()
        stage = Stage(everyone)
        await stage.run()
        assert clock.now() == begin
        assert [message["code"] for message in stage.peer.sent] == [1012]
        await draining


@on_virtual_time
async def test_a_drain_looks_at_no_connection_while_nothing_happens(clock: VirtualClock) -> None:
    everyone = connections()
    async with running(everyone) as (stage,):
        assert stage.link is not None
        assert stage.connection is not None
        stage.link.is_answering = True
        draining = asyncio.ensure_future(everyone.drain(59.0))
        await asyncio.sleep(0.1)
        looks, begin = stage.link.looks, clock.now()
        await asyncio.sleep(50.0)
        assert (stage.link.looks, clock.now() - begin) == (looks, 50.0)
        stage.link.is_answering = False
        stage.connection.rest()
        await draining


@on_virtual_time
async def test_a_drain_of_nobody_is_over_at_once(clock: VirtualClock) -> None:
    begin = clock.now()
    await connections().drain(10.0)
    assert clock.now() == begin


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
