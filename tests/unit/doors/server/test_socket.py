"""The extension by which an application limits, writes to and aborts its WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.doors.server.socket import SOCKET, socket_of
from tests.strangers import UPGRADE, frame, request, stranger
from tests.unit.doors.server.stage import WITHIN_S, running


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}, {"extensions": {"websocket.http.response": {}}}])
def test_under_another_server_there_is_no_socket(scope: dict[str, Any]) -> None:
    assert socket_of(scope) is None


def test_the_socket_is_found_in_its_scope() -> None:
    socket = object()
    assert socket_of({"extensions": {SOCKET: socket}}) is socket


class Opened:
    """Accepts one WebSocket, and keeps it open until the test is done with it."""

    def __init__(self) -> None:
        self.socket: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.socket.set_result(socket_of(scope))
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.left.set()
        await self.done.wait()


async def test_messages_written_at_once_and_sent_ones_arrive_in_order() -> None:
    app = Opened()
    async with running(app) as run, stranger(run.port) as one:
        await one.send(request("GET", "/", *UPGRADE))
        await one.reader.readuntil(b"\r\n\r\n")
        socket = await app.socket
        assert socket.write(b"one")
        await socket.send_text(b"two")
        assert socket.write(b"six")
        assert await one.reader.readexactly(15) == b"\x81\x03one\x81\x03two\x81\x03six"
        app.done.set()


async def test_a_client_that_does_not_read_has_to_be_waited_for_and_can_be_ended() -> None:
    app = Opened()
    async with running(app) as run, stranger(run.port) as one:
        await one.send(request("GET", "/", *UPGRADE))
        await one.reader.readuntil(b"\r\n\r\n")
        socket = await app.socket
        one.read_nothing()
        for _ in range(1000):
            if not socket.write(b"x" * 2**16):
                break
            await asyncio.sleep(0)
        assert not socket.write(b"x")
        sending = asyncio.create_task(socket.send_text(b"x"))
        socket.abort()
        app.done.set()
        with pytest.raises(OSError):  # noqa: PT011 -- the class is all that the extension promises
            async with asyncio.timeout(WITHIN_S):
                await sending


async def test_after_the_client_has_left_nothing_can_be_written() -> None:
    app = Opened()
    async with running(app) as run, stranger(run.port) as one:
        await one.send(request("GET", "/", *UPGRADE))
        await one.reader.readuntil(b"\r\n\r\n")
        socket = await app.socket
        await one.send(frame((1000).to_bytes(2, "big"), opcode=0x88))
        await app.left.wait()
        assert not socket.write(b"x")
        with pytest.raises(OSError):  # noqa: PT011 -- as above
            await socket.send_text(b"x")
        app.done.set()
