"""A server over raw connections: what it waits for, what it reads, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from antiphon.doors.server import exchange
from antiphon.doors.server.exchange import UNKEYED_BYTES, admit, exchange_of
from tests.strangers import Stranger, chunk, request, stranger
from tests.unit.doors.server.stage import WITHIN_S, running, until

LARGE = UNKEYED_BYTES + 1
CHUNKED = "transfer-encoding: chunked"


class App:
    """Answers ``/refused``, ``/long`` and ``/early`` at once; else reads a body, for ``/asked`` that of a stranger."""

    def __init__(self) -> None:
        self.requests = 0
        self.read_bytes = 0
        """Of all bodies."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        body = b""
        if scope["path"] not in ("/refused", "/long", "/asked"):
            admit(scope)
        if scope["path"] not in ("/refused", "/long", "/early"):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
                self.read_bytes += len(message["body"])
                one = exchange_of(scope)
                assert one is not None
                one.hold(len(body))
                if not message["more_body"]:
                    break
        text = bytes(2**18) if scope["path"] == "/long" else b"%d %d" % (len(body), sum(body))
        size = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": size})
        await send({"type": "http.response.body", "body": text})


def length(size: int) -> str:
    return f"content-length: {size}"


async def head(one: Stranger) -> bytes:
    """Return the next head of an answer."""
    async with asyncio.timeout(WITHIN_S):
        return (await one.reader.readuntil(b"\r\n\r\n")).lower()


# -- bodies that nobody reads ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("headers", [(length(LARGE),), (CHUNKED,), (length(10), "expect: 100-continue")])
async def test_an_answer_before_much_of_the_body_is_the_last_and_can_be_read(headers: tuple[str, ...]) -> None:
    async with running(App()) as run, stranger(run.port) as one:
        await one.send(request("POST", "/refused", *headers))
        assert b"connection: close" in await head(one)
        sending = asyncio.create_task(one.send(b"x" * 2**20))
        assert await one.reader.readexactly(3) == b"0 0"
        await one.ended()
        await sending
        assert run.server.handshakes == 0


async def test_a_client_that_leaves_after_such_an_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LINGER_S", 3600.0)
    async with running(App()) as run:
        async with stranger(run.port) as one:
            await one.send(request("POST", "/refused", length(LARGE)))
            await head(one)
            assert run.server.handshakes == 1
        await run.handshakes(0)


async def test_an_answer_before_little_of_the_body_keeps_the_connection() -> None:
    async with running(App()) as run, stranger(run.port) as one:
        for _ in range(2):
            await one.send(request("POST", "/refused", length(UNKEYED_BYTES)))
            assert b"connection: close" not in await head(one)
            await one.send(b"x" * UNKEYED_BYTES)
            assert await one.reader.readexactly(3) == b"0 0"


@pytest.mark.parametrize("framing", [length(2**20), CHUNKED])
async def test_an_early_response_to_an_authenticated_client_keeps_it_too(framing: str) -> None:
    body = bytes(2**20) if framing == length(2**20) else chunk(bytes(2**19)) * 2 + b"0\r\n\r\n"
    async with running(App()) as run, stranger(run.port) as one:
        for _ in range(2):
            await one.send(request("POST", "/early", framing, body=body))
            assert await one.answer() == (200, b"0 0")


# -- bodies of strangers -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("headers", [(length(100),), (CHUNKED,)])
async def test_a_body_that_a_stranger_is_asked_for_has_the_time_of_a_handshake(headers: tuple[str, ...]) -> None:
    async with running(App(), handshake_timeout_s=0.2) as run, stranger(run.port) as one:
        await one.send(request("POST", "/asked", *headers, body=b"5\r\nhello\r\n"))
        assert (await one.answer())[0] == 408
        await one.ended()
        assert run.server.handshakes == 0


async def test_an_authenticated_body_has_the_time_it_needs() -> None:
    async with running(App(), handshake_timeout_s=0.2) as run, stranger(run.port) as one:
        await one.send(request("POST", "/", length(4), body=b"ab"))
        await asyncio.sleep(0.3)  # a timer of the server would be due before that of this test
        assert run.server.handshakes == 0
        await one.send(b"cd")
        assert await one.answer() == (200, b"4 394")


async def test_of_more_half_sent_bodies_of_strangers_the_oldest_goes() -> None:
    async with running(App(), max_handshakes=2) as run, contextlib.AsyncExitStack() as stack:
        many = [await stack.enter_async_context(stranger(run.port)) for _ in range(2)]
        for one in many:
            await one.send(request("POST", "/asked", length(2), body=b"a"))
        await run.handshakes(2)
        many.append(await stack.enter_async_context(stranger(run.port)))
        await many[0].ended()
        await many[1].send(b"b")
        assert await many[1].answer() == (200, b"2 195")


async def test_more_bytes_than_are_allowed_end_the_oldest_body() -> None:
    app = App()
    async with (
        running(app, max_undecoded_bytes=150_000) as run,
        stranger(run.port) as first,
        stranger(run.port) as second,
    ):
        for one in (first, second):
            await one.send(request("POST", "/", length(100_000), body=bytes(90_000)))
            if one is first:
                await until(lambda: app.read_bytes == 90_000)
        await first.ended()
        await second.send(bytes(10_000))
        assert await second.answer() == (200, b"100000 0")


async def test_a_body_in_many_small_chunks_arrives_whole_and_so_does_what_follows() -> None:
    chunks = b"".join(chunk(b"%c" % (number % 251)) for number in range(5_000))
    async with running(App()) as run, stranger(run.port) as one:
        sent = request("POST", "/", CHUNKED, body=chunks + b"0\r\n\r\n") * 2
        for at in range(0, len(sent), 50_000):
            await one.send(sent[at : at + 50_000])
        answer = (200, b"5000 %d" % sum(number % 251 for number in range(5_000)))
        assert [await one.answer() for _ in range(2)] == [answer] * 2


async def test_a_large_authenticated_body_arrives_whole() -> None:
    async with running(App()) as run, stranger(run.port) as one:
        await one.send(request("POST", "/", length(5 * 2**20), body=b"\1" * (5 * 2**20)))
        assert await one.answer() == (200, b"%d %d" % (5 * 2**20, 5 * 2**20))


# -- what is no HTTP ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/refused", "/asked", "/"])
async def test_a_broken_body_ends_its_connection_and_is_no_fault_of_ours(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    async with running(app) as run:
        for number, method in enumerate(("POST", "HEAD"), 1):
            async with stranger(run.port) as one:
                await one.send(request(method, path, CHUNKED))
                await until(lambda: app.requests == number)  # noqa: B023 -- it is awaited within the turn
                await one.send(b"no chunk\r\n")
                await one.ended()
        assert run.server.handshakes == 0
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# -- connections that are not read, and idle ones ----------------------------------------------------------------------
async def test_a_client_that_reads_no_answers_is_cut_off() -> None:
    async with running(App(), handshake_timeout_s=0.3) as run, stranger(run.port) as one:
        one.read_nothing()
        await one.send(request("GET", "/long") * 100)
        await run.handshakes(1)
        await run.handshakes(0)


async def test_of_more_idle_connections_of_strangers_the_oldest_goes() -> None:
    async with running(App(), max_handshakes=2) as run, contextlib.AsyncExitStack() as stack:
        keyed = await stack.enter_async_context(stranger(run.port))
        await keyed.send(request("GET", "/"))
        assert (await keyed.answer())[0] == 200
        many: list[Stranger] = []
        for _ in range(3):
            many.append(one := await stack.enter_async_context(stranger(run.port)))
            await one.send(request("GET", "/refused"))
            assert (await one.answer())[0] == 200
        await many[0].ended()
        for one in (*many[1:], keyed):
            await one.send(request("GET", "/refused"))
            assert (await one.answer())[0] == 200
