"""Workers that send what no client library would, or read nothing: they are answered or cut off, others go on."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import websockets

from tests.dubbing import Door, Raw, Worker, dubbing, eventually, raw, sound, tone, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONNECTIONS = 'active_connections{door="dubbing"}'
MOST = 2
STALL_S = 1.0
CONNECT_TIMEOUT_S = 1.5
LONG_MS = 6_000
LARGE = {"sample_rate_hz": 48_000, "channels": 2}
"""A result of `LONG_MS` in this form is a message of 1.5 MB: more than a few fit in no buffer on the way."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server whose dubbing door asks for no key: nothing but the handshake itself tells who may come in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_REQUIRE_AUTH", "false")
        limits: dict[str, Any] = {"dubbing_max_connections": MOST, "dubbing_stall_s": STALL_S}
        async with dubbing(tmp_path_factory.mktemp("abuse"), api_keys=("sk-one-0123456789abc",), **limits) as running:
            yield running


class Stream:
    """A stream spoken by hand."""

    def __init__(self, socket: Raw) -> None:
        self.socket = socket
        self.one = Worker()

    async def begin(self, config: dict[str, Any] | None) -> None:
        await self.socket.emit("stream:init", self.one.init_payload(config))
        assert (await self.socket.event())[0] == "stream:ready"

    async def offer(self, number: int, **fields: Any) -> None:
        await self.socket.emit("fragment:data", self.one.fragment(number, **fields))

    async def refused(self) -> None:
        """The next event says that the one before was no event of ours."""
        name, error = await self.socket.event()
        assert (name, error["code"]) == ("error", "INVALID_CONFIG")

    async def read_all(self) -> None:
        """Read until the end. Raises `ConnectionClosed`."""
        while True:
            await self.socket.receive(2)

    async def lives(self, number: int) -> None:
        """The next fragment is dubbed, and nothing else was told before."""
        await self.offer(number)
        (first, ack), (second, result) = await self.socket.event(), await self.socket.event()
        assert (first, ack["fragment_id"]) == ("fragment:ack", self.one.name(number))
        assert (second, result["sequence_number"], result["status"]) == ("fragment:processed", number, "success")


@contextlib.asynccontextmanager
async def stream(door: Door, config: dict[str, Any] | None = None, **options: Any) -> AsyncGenerator[Stream]:
    """Begin a stream by hand, and see that its connection is no longer counted when it is over."""
    async with raw(door.url, **options) as socket:
        begun = Stream(socket)
        await begun.begin(config)
        yield begun
    await eventually(lambda: door.metric(CONNECTIONS) == 0)


# -- events that are called like the library's own ----------------------------------------------------------------
async def test_an_event_called_connect_makes_no_second_worker(door: Door) -> None:
    async with stream(door) as one:
        handshake = {"asgi.scope": {"type": "websocket", "headers": []}}
        for payload in (None, {}, [], handshake):
            await one.socket.emit("connect", payload)
        await one.lives(0)
        assert door.metric(CONNECTIONS) == 1


@pytest.mark.parametrize("event", ['["disconnect"]', '["disconnect","client namespace disconnect"]'])
async def test_an_event_called_disconnect_ends_the_connection_and_its_count(door: Door, event: str) -> None:
    async with stream(door) as one:
        await one.socket.send(f"42{event}")
        await one.socket.send(f"42{event}")
        assert await one.socket.receive() == "41"
        await eventually(lambda: door.metric(CONNECTIONS) == 0)
        await one.socket.ended()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST):
            assert await (await stack.enter_async_context(worker(door.url))).begin()
    await eventually(lambda: door.metric(CONNECTIONS) == 0)


# -- payloads ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["stream:init", "stream:pause", "stream:resume", "stream:end", "fragment:data"])
@pytest.mark.parametrize("value", [1, [], {}])
async def test_a_payload_of_many_small_values_is_refused(door: Door, name: str, value: Any) -> None:
    async with stream(door) as one:
        fields = one.one.init_payload() if name == "stream:init" else one.one.fragment(0)
        await one.socket.send(f"42{json.dumps([name, {**fields, 'metadata': {'values': [value] * 20_000}}])}")
        await one.refused()
        await one.lives(0)


async def test_binary_events_are_refused_and_their_attachments_passed_over(door: Door) -> None:
    async with stream(door) as one:
        fragment = one.one.fragment(0, audio=sound(data_base64={"_placeholder": True, "num": 0}))
        for payload in ({"_placeholder": True, "num": 0}, fragment):
            await one.socket.send(f"451-{json.dumps(['fragment:data', payload])}")
            await one.socket.send(bytes(1000))
            await one.refused()
        await one.lives(0)
        await one.socket.send('459-["fragment:data"]')
        await one.refused()
        for _ in range(3):  # fewer than were announced
            await one.socket.send(b"\x00")
        await one.lives(1)
        assert door.metric(CONNECTIONS) == 1


# -- connections that do nothing ----------------------------------------------------------------------------------
async def test_who_never_says_connect_is_no_worker_and_has_to_go(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.doors.dubbing.endpoint._CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S)
    async with worker(door.url) as first, contextlib.AsyncExitStack() as stack:
        mute = [await stack.enter_async_context(raw(door.url, greet=False)) for _ in range(MOST + 1)]
        assert door.metric(CONNECTIONS) == 1
        async with worker(door.url) as second:
            assert await second.begin(), "they take nobody's place"
            assert door.metric(CONNECTIONS) == MOST
            for one in mute:
                await one.ended()
            assert await first.begin(), "who has said it stays"
    await eventually(lambda: door.metric(CONNECTIONS) == 0)


async def test_who_does_not_read_is_cut_off_and_others_are_served(door: Door) -> None:
    async with stream(door, LARGE, max_queue=1) as deaf:  # the client library reads no further than that
        audio = sound(tone(LONG_MS), duration_ms=LONG_MS)
        begin = time.monotonic()
        for number in range(8):
            await deaf.offer(number, audio=audio)
        async with worker(door.url) as other:
            await other.begin()
            await other.accepted(0)
            await other.result(other.name(0))
            await eventually(lambda: door.metric(CONNECTIONS) == 1)
            assert time.monotonic() - begin >= STALL_S
            await other.accepted(1)
            await other.result(other.name(1))
        with pytest.raises(websockets.ConnectionClosed):
            await deaf.read_all()
