"""Frames as a conformance suite sends them, over a raw socket, to an application that echoes."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.doors.server.app import HttpServer, ServerOptions

HEAD = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x13\x57\x9b\xdf"
GOOD_TEXT = "κόσμε – 𝄞 – naïve".encode()
BAD_TEXTS = (
    b"\x80",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xfe",
    b"ab\xff",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce",
)
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back whatever comes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        with contextlib.suppress(OSError):
            await send({**message, "type": "websocket.send"})


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame, right or wrong."""
    size = len(data)
    first = fin << 7 | reserved << 4 | opcode
    bit = masked << 7
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 2**16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + data
    pattern = (MASK * (size // 4 + 1))[:size]
    return head + MASK + (int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def goodbye(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Peer:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes, piece: int = 0) -> None:
        """Write bytes, in pieces of this size if there is one."""
        for at in range(0, len(data), piece or len(data)):
            self.writer.write(data[at : at + (piece or len(data))])
            if piece:
                await asyncio.sleep(0)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and data of the next frame, which must be whole, unmasked and without reserved bits."""
        async with asyncio.timeout(10):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            assert first & 0xF0 == 0x80
            return first & 15, await self.reader.readexactly(size)

    async def closed(self) -> int:
        """Return the code of the close frame that comes next, and see the connection end."""
        opcode, data = await self.receive()
        assert opcode == CLOSE
        async with asyncio.timeout(10):
            assert await self.reader.read() == b""
        return int.from_bytes(data[:2], "big") if data else 1005


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    server = HttpServer(echo, ServerOptions(port=0, shutdown_s=1))
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve(stop=stop, ready=ready.set_result))
    port = int((await ready).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    yield Peer(reader, writer)
    writer.close()
    stop.set()
    await serving


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(
    ("size", "piece"), [(0, 0), (1, 1), (125, 0), (126, 1), (127, 0), (65_535, 997), (65_536, 0), (300_000, 8191)]
)
async def test_messages_of_every_length_come_back(peer: Peer, opcode: int, size: int, piece: int) -> None:
    data = b"*" * size
    await peer.send(frame(opcode, data), piece)
    assert await peer.receive() == (opcode, data)


async def test_many_messages_in_one_packet_come_back_in_order(peer: Peer) -> None:
    await peer.send(b"".join(frame(TEXT, b"%d" % number) for number in range(500)))
    assert [await peer.receive() for _ in range(500)] == [(TEXT, b"%d" % number) for number in range(500)]


@pytest.mark.parametrize("kind", ["texts", "pings", "empty texts"])
async def test_a_flood_is_answered_whole_and_in_order_before_what_comes_behind_it(peer: Peer, kind: str) -> None:
    numbers = [b"" if kind == "empty texts" else b"%d" % number for number in range(20_000)]
    opcode, answer = (PING, PONG) if kind == "pings" else (TEXT, TEXT)
    flood = b"".join(frame(opcode, number) for number in numbers)
    sending = asyncio.create_task(peer.send(flood + frame(BINARY, b"behind")))
    assert [await peer.receive() for _ in numbers] == [(answer, number) for number in numbers]
    assert await peer.receive() == (BINARY, b"behind")
    await sending


@pytest.mark.parametrize("size", [0, 1, 124, 125])
async def test_a_ping_is_answered_with_its_data(peer: Peer, size: int) -> None:
    data = bytes(range(size))
    await peer.send(frame(PING, data), 1)
    assert await peer.receive() == (PONG, data)


async def test_ten_pings_have_ten_answers_and_a_pong_has_none(peer: Peer) -> None:
    await peer.send(frame(PONG, b"unasked") + b"".join(frame(PING, b"%d" % number) for number in range(10)))
    assert [await peer.receive() for _ in range(10)] == [(PONG, b"%d" % number) for number in range(10)]


@pytest.mark.parametrize("piece", [0, 1])
async def test_control_frames_come_between_the_pieces_of_a_message(peer: Peer, piece: int) -> None:
    pieces = (
        frame(TEXT, b"one ", fin=False),
        frame(PING, b"here?"),
        frame(CONT, b"", fin=False),
        frame(PONG),
        frame(CONT, b"two"),
    )
    await peer.send(b"".join(pieces), piece)
    assert await peer.receive() == (PONG, b"here?")
    assert await peer.receive() == (TEXT, b"one two")


async def test_a_message_in_ten_thousand_pieces_comes_back(peer: Peer) -> None:
    middle = frame(CONT, b"y", fin=False) * 9_998
    await peer.send(frame(BINARY, b"x", fin=False) + middle + frame(CONT, b"z"))
    assert await peer.receive() == (BINARY, b"x" + b"y" * 9_998 + b"z")


@pytest.mark.parametrize("cut", range(1, len(GOOD_TEXT), 3))
async def test_characters_may_be_cut_between_frames(peer: Peer, cut: int) -> None:
    await peer.send(frame(TEXT, GOOD_TEXT[:cut], fin=False) + frame(CONT, GOOD_TEXT[cut:]), 1)
    assert await peer.receive() == (TEXT, GOOD_TEXT)


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=repr)
@pytest.mark.parametrize("pieces", [1, 2])
async def test_text_that_is_not_utf8_ends_with_1007(peer: Peer, bad: bytes, pieces: int) -> None:
    data = GOOD_TEXT + bad
    if pieces == 1:
        await peer.send(frame(TEXT, data))
    else:
        await peer.send(frame(TEXT, data[:-1], fin=False) + frame(CONT, data[-1:]))
    assert await peer.closed() == 1007


@pytest.mark.parametrize(
    "wrong",
    [
        *(frame(opcode, b"x", reserved=bits) for opcode in (TEXT, PING, CLOSE) for bits in (1, 2, 4, 7)),
        *(frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *(frame(opcode, b"x", masked=False) for opcode in (TEXT, BINARY, PING, CLOSE)),
        *(frame(opcode, b"x" * 126) for opcode in (PING, PONG, CLOSE)),
        *(frame(opcode, b"x", fin=False) for opcode in (PING, PONG, CLOSE)),
        frame(CONT, b"x"),
        frame(CONT, b"x", fin=False),
        frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
        frame(TEXT, b"x", fin=False) + frame(BINARY, b"y", fin=False),
        frame(CLOSE, b"\x03"),
        *(goodbye(code) for code in BAD_CODES),
    ],
    ids=lambda wrong: wrong[:12].hex(),
)
async def test_broken_frames_end_with_1002(peer: Peer, wrong: bytes) -> None:
    await peer.send(frame(TEXT, b"before"))
    assert await peer.receive() == (TEXT, b"before")
    await peer.send(wrong + frame(TEXT, b"after"))
    assert await peer.closed() == 1002


@pytest.mark.parametrize("code", GOOD_CODES)
async def test_a_close_is_echoed_and_nothing_behind_it_is_answered(peer: Peer, code: int) -> None:
    await peer.send(goodbye(code, b"so long") + frame(PING) + frame(TEXT, b"late") + goodbye(1000))
    assert await peer.closed() == code


async def test_a_close_without_a_code_is_echoed(peer: Peer) -> None:
    await peer.send(frame(CLOSE), 1)
    assert await peer.closed() == 1005


async def test_a_close_may_come_inside_a_message(peer: Peer) -> None:
    await peer.send(frame(TEXT, b"unfinished", fin=False) + goodbye(1001))
    assert await peer.closed() == 1001


async def test_the_reason_of_a_close_has_123_bytes_at_most_and_is_utf8(peer: Peer) -> None:
    await peer.send(goodbye(1000, b"r" * 123))
    opcode, data = await peer.receive()
    assert (opcode, data) == (CLOSE, b"\x03\xe8" + b"r" * 123)


async def test_a_reason_that_is_not_utf8_ends_with_1007(peer: Peer) -> None:
    await peer.send(goodbye(1000, b"\xed\xa0\x80"))
    assert await peer.closed() == 1007


@pytest.mark.parametrize("size", [50 * 2**20 + 1, 2**63, 2**64 - 1])
async def test_a_length_beyond_the_limit_ends_with_1009_before_its_bytes_come(peer: Peer, size: int) -> None:
    await peer.send(b"\x81\xff" + size.to_bytes(8, "big") + MASK)
    assert await peer.closed() == 1009


async def test_a_peer_that_vanishes_inside_a_frame_leaves_nothing_behind(peer: Peer) -> None:
    await peer.send(frame(TEXT, b"x" * 1000)[:500])
    peer.writer.transport.abort()
    async with asyncio.timeout(10):
        while any("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
