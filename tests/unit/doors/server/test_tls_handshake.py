from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from antiphon.doors.server.app import HttpServer, ServerOptions
from antiphon.doors.server.tls import TlsFiles, self_signed
from tests.strangers import Stranger, request, stranger

HALF_OPEN = b"\x16\x03\x01\x02\x00\x01"
"""The beginning of a handshake."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return self_signed(tmp_path_factory.mktemp("tls"), time.time())


async def app(scope: Any, receive: Any, send: Any) -> None:
    del receive
    text = scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@dataclass
class Running:
    server: HttpServer
    port: int
    trust: ssl.SSLContext

    async def asked(self) -> tuple[int, bytes]:
        """Return what a proper client is answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)
        one = Stranger(reader, writer)
        await one.send(request("GET", "/"))
        answer = await one.answer()
        one.close()
        return answer


@asynccontextmanager
async def running(files: TlsFiles, **options: Any) -> AsyncIterator[Running]:
    server = HttpServer(app, ServerOptions(port=0, shutdown_s=1, tls=files, **options))
    stop = asyncio.Event()
    bound: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve(stop=stop, ready=bound.set_result))
    trust = ssl.create_default_context(cafile=files.cert)
    try:
        yield Running(server, int((await bound).rpartition(":")[2]), trust)
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await serving


@pytest.mark.parametrize("execute", [asyncio.run, uvloop.run])
def test_a_request_behind_a_handshake_is_answered_by_either_loop(execute: Any, files: TlsFiles) -> None:
    async def ask() -> None:
        async with running(files) as run:
            assert await run.asked() == (200, b"https")
            assert run.server.handshakes == 0

    execute(ask())


async def test_of_more_half_open_handshakes_the_oldest_goes(files: TlsFiles) -> None:
    async with running(files, max_handshakes=2) as run, AsyncExitStack() as stack:
        many: list[Stranger] = []
        for number in range(3):
            many.append(await stack.enter_async_context(stranger(run.port)))
            await many[-1].send(HALF_OPEN)
            async with asyncio.timeout(5):
                while run.server.handshakes < min(2, number + 1):
                    await asyncio.sleep(0.01)
        await many[0].ended(1)
        assert await run.asked() == (200, b"https")
        await many[1].ended(1)


@pytest.mark.parametrize(
    "said", [b"", HALF_OPEN, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(99)]
)
async def test_a_handshake_that_is_none_or_takes_too_long_ends(
    files: TlsFiles, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(files, handshake_timeout_s=0.2) as run, stranger(run.port) as one:
        await one.send(said)
        await one.ended(2)
        async with asyncio.timeout(1):
            while run.server.handshakes:
                await asyncio.sleep(0.01)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_who_leaves_in_the_middle_of_a_handshake_is_not_waited_for(files: TlsFiles) -> None:
    async with running(files) as run:
        async with stranger(run.port) as one:
            await one.send(HALF_OPEN)
            async with asyncio.timeout(5):
                while not run.server.handshakes:
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            while run.server.handshakes:
                await asyncio.sleep(0.01)
