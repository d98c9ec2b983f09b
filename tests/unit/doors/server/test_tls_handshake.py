from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop

from antiphon.doors.server.tls import TlsFiles, self_signed
from tests.strangers import Stranger, request, stranger
from tests.unit.doors.server.stage import Running, running

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


async def asked(run: Running, files: TlsFiles) -> tuple[int, bytes]:
    """Return what a proper client is answered."""
    trust = ssl.create_default_context(cafile=files.cert)
    one = Stranger(*await asyncio.open_connection("127.0.0.1", run.port, ssl=trust))
    await one.send(request("GET", "/"))
    answer = await one.answer()
    one.close()
    return answer


@pytest.mark.parametrize("execute", [asyncio.run, uvloop.run])
def test_a_request_behind_a_handshake_is_answered_by_either_loop(execute: Any, files: TlsFiles) -> None:
    async def ask() -> None:
        async with running(app, tls=files) as run:
            assert await asked(run, files) == (200, b"https")
            assert run.server.handshakes == 0

    execute(ask())


async def test_of_more_half_open_handshakes_the_oldest_goes(files: TlsFiles) -> None:
    async with running(app, tls=files, max_handshakes=2) as run, AsyncExitStack() as stack:
        many: list[Stranger] = []
        for number in range(3):
            many.append(await stack.enter_async_context(stranger(run.port)))
            await many[-1].send(HALF_OPEN)
            await run.handshakes(min(2, number + 1))
        await many[0].ended()
        assert await asked(run, files) == (200, b"https")
        await many[1].ended()


@pytest.mark.parametrize(
    "said", [b"", HALF_OPEN, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(99)]
)
async def test_a_handshake_that_is_none_or_takes_too_long_ends(
    files: TlsFiles, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(app, tls=files, handshake_timeout_s=0.2) as run, stranger(run.port) as one:
        await one.send(said)
        await one.ended()
        await run.handshakes(0)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_leaves_in_the_middle_of_a_handshake_is_not_waited_for(files: TlsFiles) -> None:
    async with running(app, tls=files) as run:
        async with stranger(run.port) as one:
            await one.send(HALF_OPEN)
            await run.handshakes(1)
        await run.handshakes(0)
