"""The library's server as the door sets it up: callbacks for transports, and its limits."""

from __future__ import annotations

from typing import Any

import socketio

from antiphon.clock import VirtualClock
from antiphon.doors.dubbing.socketio import MAX_MESSAGE_BYTES, PATH, WatchedServer, socketio_server
from tests.unit.doors.asgi_call import Answered, receiver
from tests.unit.doors.dubbing.stage import opening, scope


def watched() -> tuple[WatchedServer, list[tuple[str, Any]]]:
    server = socketio_server(VirtualClock(), ping_interval_s=7, ping_timeout_s=3)
    seen: list[tuple[str, Any]] = []
    server.watch(lambda sid, scope: seen.append((sid, scope)), lambda sid: seen.append((sid, None)))
    return server, seen


async def opened(server: WatchedServer) -> tuple[Any, Any]:
    app: Any = socketio.ASGIApp(server, socketio_path=PATH)
    asked, answered = scope(), Answered()
    await app(asked, receiver(), answered.send)
    return asked, opening(answered)


async def test_a_transport_is_reported_with_its_scope_when_it_opens_and_when_it_closes() -> None:
    server, seen = watched()
    asked, told = await opened(server)
    assert seen == [(told["sid"], asked)]
    await server.eio.sockets[told["sid"]].close(wait=False)
    assert seen[1:] == [(told["sid"], None)]


async def test_clients_are_told_the_intervals_of_heartbeats() -> None:
    server, _ = watched()
    _, told = await opened(server)
    assert (told["pingInterval"], told["pingTimeout"]) == (7_000, 3_000)


async def test_the_library_buffers_one_message_and_handles_one_event_at_a_time() -> None:
    server, _ = watched()
    assert server.eio.max_http_buffer_size == MAX_MESSAGE_BYTES
    assert not server.async_handlers
    assert not server.eio.http_compression
