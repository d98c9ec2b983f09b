from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.doors.server.exchange import UNKEYED_BYTES
from antiphon.doors.server.frames import LONG_BYTES, LongText
from antiphon.doors.server.socket import socket_of
from tests.strangers import UPGRADE, Stranger, frame, request, stranger
from tests.unit.doors.server.stage import running

LIMIT = 100


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of what comes; ``/limited`` takes nothing long until it has heard "more"."""
    socket = socket_of(scope)
    assert socket is not None
    await receive()
    if scope["path"] == "/never":
        assert (await receive())["type"] == "websocket.disconnect"
        return
    if scope["path"] == "/limited":
        socket.limit(LIMIT)
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "more":
            socket.limit(2 * LIMIT)
        await send({"type": "websocket.send", "text": f"{len(message['text']):05}"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(app) as number:
        yield number


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[int]:
    async with running(app, **options) as run:
        yield run.port


async def upgraded(one: Stranger, path: str) -> None:
    await one.send(request("GET", path, *UPGRADE))
    assert b" 101 " in await one.reader.readuntil(b"\r\n\r\n")


async def test_a_message_before_the_handshake_is_complete_is_a_strangers(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with stranger(port) as one:
        await one.send(request("GET", "/never", *UPGRADE))
        ended = asyncio.create_task(one.ended())
        while not ended.done():  # what comes with the head is passed over
            await one.send(frame(b"", size=UNKEYED_BYTES + 1))
            await asyncio.wait([ended], timeout=0.01)
        await ended
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_message_behind_it_may_be_long(port: int) -> None:
    async with stranger(port) as one:
        await upgraded(one, "/")
        await one.send(frame(b"x" * (UNKEYED_BYTES + 1)))
        assert await one.reader.readexactly(7) == b"\x81\x05%05d" % (UNKEYED_BYTES + 1)


async def test_an_application_sets_the_limit_and_may_raise_it(port: int) -> None:
    async with stranger(port) as one, stranger(port) as other:
        for socket in (one, other):
            await upgraded(socket, "/limited")
        await one.send(frame(b"more"))
        for size in (4, 2 * LIMIT):
            assert await one.reader.readexactly(7) == b"\x81\x05%05d" % size
            await one.send(frame(b"x" * 2 * LIMIT))
        await other.send(frame(b"x" * (LIMIT + 1)))
        assert (await other.reader.readexactly(4))[2:] == (1009).to_bytes(2, "big")
        await other.ended()


@pytest.mark.parametrize("header", ["content-length: 5", "transfer-encoding: chunked", "cookie: " + "x" * 30_000])
async def test_a_handshake_that_the_library_cannot_read_is_refused(port: int, header: str) -> None:
    async with stranger(port) as one:
        await one.send(request("GET", "/", *UPGRADE, header, body=b"hello"))
        assert (await one.answer())[0] in (400, 431)
        await one.ended()


class Slow:
    """An application that is at each message until it is told that this is enough."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self.taken: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.taken.put_nowait(message["text"])
            await self.enough.wait()


@pytest.mark.parametrize(
    "text", ["x" * (LONG_BYTES + 50_000), "x" * (LONG_BYTES // 2) + "\U0001f600"], ids=["long", "wide"]
)
async def test_a_message_in_the_hands_of_its_application_counts_with_its_memory(text: str) -> None:
    app = Slow()
    async with serving(app, max_undecoded_bytes=600 * 2**10) as port, stranger(port) as one, stranger(port) as other:
        for socket in (one, other):
            await upgraded(socket, "/")
            await socket.send(frame(text.encode()))
            taken = await app.taken.get()
            if socket is one:
                first = taken
        assert (await one.reader.readexactly(4))[2:] == (1013).to_bytes(2, "big")
        assert not isinstance(first, LongText) or len(first) == 0
        assert len(taken) >= LONG_BYTES // 2
        app.enough.set()


async def test_a_handled_message_no_longer_counts() -> None:
    app = Slow()
    app.enough.set()
    async with serving(app, max_undecoded_bytes=700 * 2**10) as port, stranger(port) as one, stranger(port) as other:
        for socket in (one, other):
            await upgraded(socket, "/")
        for _ in range(3):
            for socket in (one, other):
                await socket.send(frame(b"x" * (LONG_BYTES + 1)))
                assert len(await app.taken.get()) == LONG_BYTES + 1
        app.enough.clear()


async def test_a_message_of_a_lost_connection_counts_until_it_is_handled() -> None:
    app = Slow()
    texts: list[Any] = []
    async with serving(app, max_undecoded_bytes=700 * 2**10) as port:
        for _ in range(3):
            async with stranger(port) as one:
                await upgraded(one, "/")
                await one.send(frame(b"x" * (LONG_BYTES + 1)))
                texts.append(await app.taken.get())
        assert list(map(len, texts)) == [0, LONG_BYTES + 1, LONG_BYTES + 1]
        app.enough.set()
