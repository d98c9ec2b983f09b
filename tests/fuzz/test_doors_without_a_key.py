"""Strangers at all doors, who send anything and hold back anything: afterwards the server is as it was before.

`make fuzz` does it for a minute, `make test` for some seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks import stage
from tests.abuse.measuring import MIB
from tests.dubbing import worker
from tests.strangers import POLL, UPGRADE, Stranger, chunk, frame, request, stranger

IS_LONG = settings.default.max_examples >= 10_000
WARM_S, FUZZ_S = (15.0, 60.0) if IS_LONG else (0.5, 2.5)
SEED = 20_261_128
STRANGERS = 24
KEY = "sk-that-only-some-have"
HANDSHAKE_S = 0.5
SETTLE_S = 15.0
SLACK_COUNT = 8
"""What comes by itself meanwhile: files of the database, pipes of children. Strangers come by the thousand."""
SLACK_BYTES = 16 * MIB
"""What the allocator may keep of memory that was given back."""

PATHS = ("/", "/health", "/ready", "/metrics", "/docs", "/v1/models", "/v1/audio/transcriptions", "/v1/realtime",
         "/v1/realtime/translations", "/v1/realtime/client_secrets", "/socket.io", "/nowhere", "http://127.0.0.1/health",
         POLL, f"{POLL}&j=1", "/socket.io/?EIO=4&transport=websocket", "*", "/%00%ff", "/" + "a" * 9000)  # fmt: skip
METHODS = ("GET", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "CONNECT", "TRACE", "get", "X")
HEADERS = ("expect: 100-continue", "connection: close", "connection: keep-alive", "upgrade: h2c", "origin: http://evil",
           "authorization: Bearer wrong", "authorization: Bearer ek_" + "A" * 200, "x-api-key: wrong", "host: again",
           "content-type: application/json", "content-length: 0", "content-length: x", "transfer-encoding: gzip",
           "access-control-request-method: POST", "cookie: " + "c" * 5000, ": none", "a", "x: y")  # fmt: skip
PACKETS = (b"40", b'40{"token":"sk-wrong"}', b"40/admin,", b"41", b"42[]", b'42["stream:init",{}]', b'451-["a",{}]',
           b"4599999999-[]", b"1", b"2", b"2probe", b"3", b"5", b"6", b"b!!", b"\xff", b"", b"4" * 20_000,
           b"d=1")  # fmt: skip


class Fuzzer:
    """One stranger after the other, each with something else in mind."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._random = random.Random(seed)

    async def run(self, until: float) -> None:
        """Come again and again."""
        does: tuple[Callable[[Stranger], Awaitable[None]], ...] = (self._ask, self._poll, self._upgrade, self._stammer)
        while time.monotonic() < until:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                async with stranger(self._port) as one, asyncio.timeout(2 * HANDSHAKE_S):
                    await self._random.choice(does)(one)
                    if self._random.random() < 0.2:
                        await one.ended()

    async def _ask(self, one: Stranger) -> None:
        """Send requests, whole or not, and read some of the answers."""
        for _ in range(self._random.choice((1, 1, 2, 50))):
            await self._say(one, self._request(self._random.choice(PATHS)))
        if self._random.random() < 0.5:
            await one.reader.readuntil(b"\r\n\r\n")

    async def _poll(self, one: Stranger) -> None:
        """Open a session, and send bodies and polls, also over other connections at the same time."""
        await one.send(request("GET", POLL))
        status, body = await one.answer()
        if status != 200:
            return
        session = f"{POLL}&sid={json.loads(body[1:])['sid']}"
        async with stranger(self._port) as other:
            for _ in range(self._random.randrange(8)):
                way = self._random.choice((one, other))
                if self._random.random() < 0.3:
                    await way.send(request("GET", session, *self._random.choice(((), UPGRADE))))
                else:
                    await self._say(way, self._request(session))

    async def _upgrade(self, one: Stranger) -> None:
        """Ask for a WebSocket, and send frames, early or late."""
        doors = ("/socket.io/?EIO=4&transport=websocket",) * 3 + PATHS
        await self._say(one, request("GET", self._random.choice(doors), *UPGRADE, *self._headers()))
        if self._random.random() < 0.7:
            await one.reader.readuntil(b"\r\n\r\n")
        for _ in range(self._random.randrange(60)):
            size = self._random.choice((None, None, None, 100, 2**14 + 1, 2**20, 2**40))
            opcode = self._random.choice((0x81, 0x81, 0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xFF))
            await self._say(one, frame(self._random.choice(PACKETS), opcode, size))

    async def _stammer(self, one: Stranger) -> None:
        """Send what is nearly a request, byte by byte, or noise."""
        said = bytearray(self._request(self._random.choice(PATHS)))
        for _ in range(self._random.randrange(4)):
            said[self._random.randrange(len(said))] = self._random.randrange(256)
        for byte in said[: self._random.randrange(60)]:
            await one.send(bytes([byte]))
            await asyncio.sleep(0)
        await self._say(one, self._random.randbytes(self._random.choice((0, 10, 5000))))

    async def _say(self, one: Stranger, said: bytes) -> None:
        """Send it in pieces, and maybe not all of it."""
        if self._random.random() < 0.3:
            said = said[: self._random.randrange(len(said) + 1)]
        at = 0
        while at < len(said):
            size = self._random.choice((1, 100, 10_000, len(said)))
            await one.send(said[at : at + size])
            at += size if size > 1 else 1
            await asyncio.sleep(self._random.choice((0, 0, 0, 0.01)))

    def _request(self, target: str) -> bytes:
        body = b"\x1e".join(self._random.choices(PACKETS, k=self._random.choice((1, 2, 17))))
        framing, sent = self._random.choice(
            (
                ((), b""),
                ((f"content-length: {len(body)}",), body),
                ((f"content-length: {len(body) + 5}",), body),
                (("content-length: 60000000",), body * 5),
                (("transfer-encoding: chunked",), chunk(body) + b"0\r\n\r\n"),
                (("transfer-encoding: chunked",), chunk(body) * 3 + b"x"),
                (("transfer-encoding: chunked",), chunk(b"4") * 3000),
            )
        )
        return request(self._random.choice(METHODS), target, *framing, *self._headers(), body=sent)

    def _headers(self) -> list[str]:
        return self._random.choices(HEADERS, k=self._random.choice((0, 0, 0, 1, 2, 200)))


@dataclass(frozen=True, slots=True)
class Held:
    """What a server holds."""

    tasks: int
    handshakes: int
    descriptors: int
    memory_bytes: int

    def is_like(self, base: Held) -> bool:
        """Say whether no more is held, but for memory, and nothing is waited for."""
        more = max(self.tasks - base.tasks, self.descriptors - base.descriptors)
        return more <= SLACK_COUNT and self.handshakes == 0


def held_by(server: stage.Child) -> Held:
    tasks, handshakes = (int(word) for word in server.ask("held").split())
    descriptors = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    return Held(tasks, handshakes, descriptors, server.rss_bytes())


@pytest.fixture(scope="module")
def server() -> Iterator[stage.Child]:
    limits = {"handshake_timeout_s": HANDSHAKE_S, "max_handshakes": 16}
    # the library's heartbeat of a worker that has left is a task until it is due
    with stage.script("ticking_server.py", api_keys=KEY, dubbing_ping_interval_s=1, **limits) as child:
        yield child


async def fuzz(server: stage.Child, seed: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(Fuzzer(server.port, seed + number).run(until) for number in range(STRANGERS)))


async def at_rest(server: stage.Child, base: Held | None = None) -> Held:
    """Return what is held when nobody is there any more; at the latest when `SETTLE_S` are over."""
    until = time.monotonic() + SETTLE_S
    before = held_by(server)
    while time.monotonic() < until:
        await asyncio.sleep(HANDSHAKE_S)
        now = held_by(server)
        if now == before if base is None else now.is_like(base):
            return now
        before = now
    return before


async def serve_somebody(server: stage.Child) -> None:
    """Whoever has a key is served: a probe, a request, a worker."""
    async with stranger(server.port) as one:
        await one.send(request("GET", "/health") + request("GET", "/v1/models", f"authorization: Bearer {KEY}"))
        assert [(await one.answer())[0] for _ in range(2)] == [200, 200]
    for transports in (["websocket"], ["polling"]):
        async with worker(f"http://127.0.0.1:{server.port}", auth={"token": KEY}, transports=transports) as dubbing:
            assert await dubbing.begin()


@pytest.mark.timeout(FUZZ_S + WARM_S + 120)
async def test_whatever_strangers_do_the_server_is_afterwards_as_before(server: stage.Child) -> None:
    await serve_somebody(server)
    await fuzz(server, SEED, WARM_S)
    base = await at_rest(server)
    await asyncio.gather(fuzz(server, SEED + STRANGERS, FUZZ_S), during(server))
    after = await at_rest(server, base)
    print(f"\nbefore {base}\nafter  {after}")
    await serve_somebody(server)
    assert after.is_like(base)
    assert after.memory_bytes <= base.memory_bytes + SLACK_BYTES
    assert server.errors() == []


async def during(server: stage.Child) -> None:
    """Somebody with a key is served in the middle of it."""
    await asyncio.sleep(FUZZ_S / 2)
    await serve_somebody(server)
