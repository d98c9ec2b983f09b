from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import websockets

from antiphon.doors.server.app import HttpServer, ServerOptions, stop_on_signals
from antiphon.doors.server.tls import self_signed
from antiphon.errors import InvalidRequest
from tests.unit.doors.server.stage import WITHIN_S, Running, running

GET = b"GET /%s HTTP/1.1\r\nhost: localhost\r\n\r\n"
UPGRADE_HEAD = b"GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"


class App:
    """Answer HTTP with the path (``/slow`` once it is told to), and a WebSocket with the length of its headers."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.serve_websocket(scope, receive, send)
            return
        if scope["path"] == "/slow":
            self.is_asked.set()
            await self.may_answer.wait()
        body = scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def serve_websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/refused":
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})
            return
        await send({"type": "websocket.accept", "subprotocol": None})
        length = sum(len(value) for _, value in scope["headers"])
        await send({"type": "websocket.send", "text": str(length)})
        await receive()


async def connect(run: Running, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", run.port, ssl=tls)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return everything up to the end of the connection, however it ends."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(WITHIN_S):
            while chunk := await reader.read(65536):
                received += chunk
    return received


async def get(run: Running, path: bytes = b"") -> bytes:
    reader, writer = await connect(run)
    writer.write(GET % path)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


async def test_ready_tells_the_real_port_and_stop_ends_the_server() -> None:
    async with running(App()) as run:
        assert run.url.startswith("http://127.0.0.1:")
        assert run.port > 0
        assert b"200 OK" in await get(run)
    assert run.done.done()
    with pytest.raises(ConnectionRefusedError):
        await connect(run)


async def test_requests_are_answered_during_the_drain_and_not_after_it() -> None:
    seen: list[bytes] = []

    async def drain() -> None:
        seen.append(await get(run))

    async with running(App(), drain=drain) as run:
        run.stop.set()
        await run.done
    assert b"200 OK" in seen[0]


async def test_a_request_under_way_is_finished_after_stop() -> None:
    app = App()
    async with running(app) as run:
        reader, writer = await connect(run)
        writer.write(GET % b"slow")
        await app.is_asked.wait()
        run.stop.set()
        app.may_answer.set()
        answer = await until_closed(reader)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"/slow")


@pytest.mark.parametrize("head", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: localhost\r\n", UPGRADE_HEAD])
async def test_a_half_sent_head_is_answered_with_408_and_closed(head: bytes) -> None:
    async with running(App(), handshake_timeout_s=0.2) as run:
        reader, writer = await connect(run)
        writer.write(head)
        answer = await until_closed(reader)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408")
        assert run.server.handshakes == 0


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    async with running(App(), handshake_timeout_s=0.2) as run:
        reader, writer = await connect(run)
        assert await until_closed(reader) == b""
        writer.close()


async def test_bytes_that_trickle_in_do_not_extend_the_timeout() -> None:
    async with running(App(), handshake_timeout_s=0.3) as run:
        reader, writer = await connect(run)
        reading = asyncio.create_task(until_closed(reader))
        sent = 0
        for byte in UPGRADE_HEAD * 20:
            if reading.done():
                break
            writer.write(bytes([byte]))
            sent += 1
            await asyncio.sleep(0.02)
        assert (await reading).startswith(b"HTTP/1.1 408")
        assert sent < 60
        writer.close()


async def test_a_half_sent_second_request_on_a_kept_connection_is_closed_too() -> None:
    async with running(App(), handshake_timeout_s=0.2) as run:
        reader, writer = await connect(run)
        writer.write(GET % b"one" + b"GET /two")
        answer = await until_closed(reader)
        writer.close()
        assert b"/one" in answer
        assert b"408" in answer


async def test_a_kept_connection_serves_request_after_request_and_is_no_handshake() -> None:
    async with running(App()) as run:
        reader, writer = await connect(run)
        for _ in range(3):
            writer.write(GET % b"x")
            await reader.readuntil(b"/x")
            assert run.server.handshakes == 0
        writer.close()


async def test_a_body_that_trickles_in_behind_its_answer_is_cut_off() -> None:
    async with running(App(), handshake_timeout_s=0.3) as run:
        reader, writer = await connect(run)
        writer.write(b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"/x")
        assert run.server.handshakes == 1
        reading = asyncio.create_task(until_closed(reader))
        sent = 0
        while not reading.done() and sent < 200:
            writer.write(b"x")
            sent += 1
            await asyncio.sleep(0.02)
        assert await reading == b""
        assert sent < 100
        assert run.server.handshakes == 0
        writer.close()


async def test_a_body_that_ends_behind_its_answer_keeps_the_connection() -> None:
    async with running(App()) as run:
        reader, writer = await connect(run)
        writer.write(b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nab")
        assert b"200 OK" in await reader.readuntil(b"/x")
        assert run.server.handshakes == 1
        writer.write(b"cd")
        await run.handshakes(0)
        writer.write(GET % b"again")
        assert b"200 OK" in await reader.readuntil(b"/again")
        writer.close()


async def test_a_kept_connection_may_become_a_websocket_and_lives_on() -> None:
    async with running(App(), handshake_timeout_s=0.2) as run:
        reader, writer = await connect(run)
        writer.write(GET % b"first")
        await reader.readuntil(b"/first")
        key = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
        writer.write(UPGRADE_HEAD + key + b"\r\n")
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        await asyncio.sleep(0.3)  # a timer of the server would be due before that of this test
        assert run.server.handshakes == 0
        assert not reader.at_eof()
        writer.close()


async def test_a_long_answer_is_not_cut_by_the_handshake_timeout() -> None:
    app, timeout_s = App(), 0.2
    async with running(app, handshake_timeout_s=timeout_s) as run:
        getting = asyncio.create_task(get(run, b"slow"))
        await app.is_asked.wait()
        assert run.server.handshakes == 0
        await asyncio.sleep(1.5 * timeout_s)  # a timer of the server would be due before that of this test
        app.may_answer.set()
        assert b"200 OK" in await getting


async def test_beyond_the_limit_the_oldest_handshake_goes() -> None:
    async with running(App(), max_handshakes=3) as run:
        connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for number in range(5):
            connections.append(await connect(run))
            connections[-1][1].write(b"GET / HTTP/1.1\r\n")
            if number >= 3:
                assert await until_closed(connections[number - 3][0]) == b""
            await run.handshakes(min(3, number + 1))
        for reader, writer in connections[2:]:
            writer.write(b"host: localhost\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert run.server.handshakes == 0
        for _, writer in connections:
            writer.close()


async def test_a_session_opens_next_to_far_too_many_half_open_handshakes() -> None:
    async with running(App(), max_handshakes=40) as run:
        writers: list[asyncio.StreamWriter] = []
        for _ in range(100):
            _, writer = await connect(run)
            writer.write(UPGRADE_HEAD)
            writers.append(writer)
        await run.handshakes(40)
        async with asyncio.timeout(WITHIN_S), websockets.connect(f"ws://127.0.0.1:{run.port}/ws") as socket:
            assert int(await socket.recv()) > 0
        for writer in writers:
            writer.close()


async def test_a_websocket_opens_without_deflate_and_with_a_secret_of_20_kib() -> None:
    async with running(App()) as run:
        protocols = [
            websockets.Subprotocol("realtime"),
            websockets.Subprotocol("openai-insecure-api-key.ek_" + "A" * 20_000),
        ]
        uri = f"ws://127.0.0.1:{run.port}/ws"
        async with websockets.connect(uri, subprotocols=protocols, compression="deflate") as socket:
            assert int(await socket.recv()) > 20_000
            assert not socket.response.headers.get_all("Sec-WebSocket-Extensions")


async def test_a_refused_websocket_is_an_answer_and_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with running(App()) as run:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{run.port}/refused")
        assert refused.value.response.status_code == 401
        assert refused.value.response.body == b"no"
    assert caplog.records == []


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff", b"G\x00T / HTTP/1.1\r\n\r\n", b"A" * 70_000]
)
async def test_malformed_http_is_refused_at_once(head: bytes) -> None:
    async with running(App()) as run:
        reader, writer = await connect(run)
        writer.write(head)
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 400")
        writer.close()
        assert b"200 OK" in await get(run)


async def test_an_address_in_use_is_a_clear_error() -> None:
    async with running(App()) as run:
        second = HttpServer(App(), ServerOptions(port=run.port))
        with pytest.raises(InvalidRequest, match="Choose another"):
            await second.serve(stop=asyncio.Event())


async def test_tls_serves_http_and_websockets_for_localhost(tmp_path: Path) -> None:
    tls = self_signed(tmp_path, time.time())
    async with running(App(), tls=tls) as run:
        trust = ssl.create_default_context(cafile=tls.cert)
        assert run.url.startswith("https://127.0.0.1:")
        reader, writer = await connect(run, trust)
        writer.write(GET % b"x")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        async with websockets.connect(f"wss://localhost:{run.port}/ws", ssl=trust) as socket:
            assert int(await socket.recv()) > 0


async def test_a_half_open_tls_handshake_is_closed(tmp_path: Path) -> None:
    async with running(App(), tls=self_signed(tmp_path, time.time()), handshake_timeout_s=0.2) as run:
        reader, writer = await connect(run)
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        await until_closed(reader)
        assert reader.at_eof()
        writer.close()


async def test_a_broken_certificate_is_a_clear_error(tmp_path: Path) -> None:
    tls = self_signed(tmp_path, time.time())
    tls.cert.write_text("nonsense")
    with pytest.raises(InvalidRequest, match="certificate"):
        await HttpServer(App(), ServerOptions(port=0, tls=tls)).serve(stop=asyncio.Event())


async def test_the_first_signal_stops_and_the_second_is_left_to_the_system() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = asyncio.Event()
    try:
        stop_on_signals(stop)
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            await stop.wait()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
