"""Clients that mean harm, or behave as if: the others do not notice, and memory stays where it was."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.serving import STUB_ENVIRONMENT, Client

MIB = 2**20
GREEDY = 50
"""Clients that ask for a long answer and read none of it."""


class Server:
    """A server in a process of its own, and what it weighs."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def rss_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def connections(self) -> int:
        """How many sessions are open, by its own metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(
            float(next(line for line in lines if line.startswith('active_connections{door="realtime"')).split()[1])
        )

    def connect(self) -> Any:
        return websockets.connect(f"{self.url.replace('http', 'ws', 1)}/v1/realtime?model=m", max_size=None)


def _plain_environment() -> dict[str, str]:
    """What is measured is the server, not what the tests add to it: coverage, and messages packed twice."""
    added = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "ANTIPHON_BUS_STRICT")
    return {name: value for name, value in os.environ.items() if name not in added}


@contextlib.asynccontextmanager
async def server(data_dir: Path, **settings: object) -> AsyncIterator[Server]:
    own = {f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "antiphon", "serve", "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**_plain_environment(), **STUB_ENVIRONMENT, "ANTIPHON_DATA_DIR": str(data_dir), **own},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        url = (await process.stdout.readline()).decode().split()[-1]
    try:
        yield Server(process, url)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def greeting(target: str = "/v1/realtime?model=m") -> bytes:
    """How a WebSocket begins, by hand."""
    return (
        f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def upgrade(port: int, hello: bytes) -> socket.socket:
    """A WebSocket with the smallest of receive buffers; nothing behind the answer's head is read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", port))
    raw.sendall(hello)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = raw.recv(1)
        assert byte, head
        head += byte
    assert b" 101 " in head
    return raw


def frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """A masked frame whose mask is zero."""
    size = len(payload)
    if size < 126:
        head = bytes([opcode, 0x80 | size])
    elif size < 2**16:
        head = bytes([opcode, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([opcode, 0xFF]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


async def answer_ms(client: Client) -> float:
    """How long a small answer takes."""
    await client.say_text("hello")
    begin = time.perf_counter()
    await client.send("response.create", response={"output_modalities": ["text"], "max_output_tokens": 8})
    await client.until("response.done")
    return (time.perf_counter() - begin) * 1000


async def test_fifty_clients_that_stop_reading_are_cut_off_and_nobody_else_notices(tmp_path: Path) -> None:
    long = {"stub_llm_words": 1000, "llm_workers": 60, "tts_workers": 60, "realtime_stall_s": 1}
    async with server(tmp_path, **long) as served, served.connect() as polite:
        client = Client(polite)
        await client.until("session.created")
        usual_ms = await answer_ms(client)
        before = served.rss_bytes()
        greedy = [await asyncio.to_thread(upgrade, served.port, greeting()) for _ in range(GREEDY)]
        begin, most, slowest = time.monotonic(), 0, 0.0
        for raw in greedy:
            raw.sendall(frame(b'{"type":"response.create"}'))
        while served.connections() > 1:
            assert time.monotonic() - begin < 120, "they are not cut off"
            slowest = max(slowest, await answer_ms(client))
            most = max(most, served.rss_bytes() - before)
        took = time.monotonic() - begin
        for raw in greedy:
            raw.close()
        print(f"\ncut off after {took:.1f} s, memory + {most / MIB:.0f} MiB, slowest small answer {slowest:.0f} ms")
        assert most < 64 * MIB  # 45 where nothing counts lines; coverage adds a tenth
        assert await answer_ms(client) < 1000 + 20 * usual_ms


BOMBS: list[tuple[str, bytes, str]] = [
    ("deep JSON", b'{"type":"session.update","session":' + b"[" * 100_000, "invalid_value"),
    ("deep objects", b'{"a":' * 50_000, "invalid_json"),
    ("base64 junk", b'{"type":"input_audio_buffer.append","audio":"' + b"!" * MIB + b'"}', "invalid_value"),
    ("a long id", b'{"type":"response.cancel","event_id":"' + b"x" * MIB + b'"}', "string_above_max_length"),
    ("a huge number", b'{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":'
     + b"9" * 5000 + b"}", "invalid_value"),
    ("an unknown event", b'{"type":"' + b"z" * MIB + b'"}', "invalid_value"),
    ("too much audio", b'{"type":"input_audio_buffer.append","audio":"'
     + base64.b64encode(bytes(15 * MIB + 3)) + b'"}', "audio_too_large"),
    ("too large a frame", b'{"type":"input_audio_buffer.append","audio":"' + b"A" * (22 * MIB) + b'"}',
     "event_too_large"),
]  # fmt: skip


async def test_bombs_are_answered_with_the_right_error_and_leave_no_memory(tmp_path: Path) -> None:
    async with server(tmp_path) as served, served.connect() as socket_:
        client = Client(socket_)
        await client.until("session.created")
        usual_ms = await answer_ms(client)
        before = served.rss_bytes()
        for name, bomb, code in BOMBS:
            await socket_.send(bomb.decode())
            begin = time.perf_counter()
            error = (await client.until("error"))["error"]
            took_ms = (time.perf_counter() - begin) * 1000
            assert error["code"] == code, name
            assert len(error["message"]) < 2000, name
            print(f"\n{name}: {took_ms:.0f} ms", end="")
        async with asyncio.timeout(30):
            while (grown := served.rss_bytes() - before) >= 64 * MIB:
                await asyncio.sleep(0.05)
        print(f"\nmemory + {grown / MIB:.0f} MiB")
        assert await answer_ms(client) < 1000 + 20 * usual_ms


async def test_a_compressed_bomb_is_not_agreed_on(tmp_path: Path) -> None:
    async with server(tmp_path) as served, served.connect() as offered:
        assert "sec-websocket-extensions" not in offered.response.headers
        assert json.loads(await offered.recv())["type"] == "session.created"


@pytest.mark.parametrize("sent", [0, 40, 150])
async def test_aborted_connects_leave_nothing_behind(tmp_path: Path, sent: int) -> None:
    head = greeting()
    async with server(tmp_path) as served:
        async with served.connect() as first:
            await first.recv()
        before = served.descriptors() + 20  # connections of the database open when they are needed first
        for number in range(200):
            raw = socket.create_connection(("127.0.0.1", served.port))
            raw.sendall(head[: sent or number % len(head)])
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a goodbye
            raw.close()
        async with asyncio.timeout(30):
            while served.descriptors() > before or served.connections():
                await asyncio.sleep(0.05)
        async with served.connect() as last:
            assert json.loads(await last.recv())["type"] == "session.created"
