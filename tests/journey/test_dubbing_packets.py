"""What comes to the dubbing door below its events: packets and bodies of every wrong kind, transports, namespaces."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import websockets
from websockets.protocol import State

from tests.dubbing import Door, Worker, dubbing, eventually, raw, sound, tone, worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONNECTIONS = 'active_connections{door="dubbing"}'
DEEP = f'42["stream:init",{"[" * 9_000}'
PACKETS: list[str | bytes] = [
    "", "4", "42", "42{}", "42[", "42[]", "42[5]", "42[null,{}]", '42["stream:init"', '42["stream:init",]', DEEP,
    "40/elsewhere,", "43", "430[]", "4399999999999999999999[]", '42999["stream:pause",{}]', "44", "44{}", "46-[]", "47",
    '451-["fragment:data",{"_placeholder":true,"num":0}]', '4599999999-["fragment:data"]', "45", b"\x00\x01", b"",
    "2", "2probe", "3", "5", "6", "7", "9", "x", "b", "b!!!", "\x00", '42["connect"]',
]  # fmt: skip
"""Packets that are none, that come at the wrong time, or that hold what no event is."""
BODIES = [b"", b"x", b"4", b"\xff\xfe", b"42[", b"\x1e".join([b"40"] * 50), b"b!!!", b'451-["stream:init"]']


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with dubbing(tmp_path_factory.mktemp("packets"), dubbing_max_connections=5) as running:
        yield running


async def assert_well(door: Door) -> None:
    """The door dubs as ever, and nobody who has left is counted."""
    await eventually(lambda: not door.metric(CONNECTIONS))
    async with worker(door.url) as one:
        await one.begin()
        await one.offer(0)
        assert (await one.result())["status"] == "success"


def polled(url: str) -> str:
    """Open a transport by polling, and return its address. Raises `HTTPError` where it is refused."""
    address = f"{url}/socket.io/?EIO=4&transport=polling"
    try:
        with urllib.request.urlopen(address, timeout=20) as opened:
            return f"{address}&sid={json.loads(opened.read()[1:])['sid']}"
    except urllib.error.HTTPError as refused:
        refused.close()
        raise


def posted(address: str, body: bytes) -> int:
    """Send a body to a transport, and return the status of the answer."""
    try:
        with urllib.request.urlopen(address, data=body, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


async def test_packets_of_every_wrong_kind_are_answered_passed_over_or_end_their_own_connection(door: Door) -> None:
    async with worker(door.url) as other:
        await other.begin()
        for number, packet in enumerate(PACKETS):
            async with raw(door.url) as one:
                await one.send(packet)
                await other.offer(number)
                assert (await other.result())["status"] == "success", packet
    await assert_well(door)


async def test_bodies_of_every_wrong_kind_are_answered_too(door: Door) -> None:
    async with worker(door.url) as other:
        await other.begin()
        for number, body in enumerate(BODIES):
            assert await asyncio.to_thread(lambda body=body: posted(polled(door.url), body)) in (200, 400), body
            await other.offer(number)
            assert (await other.result())["status"] == "success"


async def test_who_leaves_the_namespace_may_come_back_on_the_same_transport(door: Door) -> None:
    one = Worker()
    async with raw(door.url) as socket:
        await socket.emit("stream:init", one.init_payload())
        assert (await socket.event())[0] == "stream:ready"
        await socket.send("41")
        await eventually(lambda: not door.metric(CONNECTIONS))
        await socket.emit("fragment:data", one.fragment(0))
        await socket.send("40")
        assert (await socket.receive()).startswith("40{"), "nothing was answered in between"
        await socket.emit("stream:init", one.init_payload())
        assert (await socket.event())[0] == "stream:ready"
    await assert_well(door)


async def test_there_is_no_other_namespace(door: Door) -> None:
    async with raw(door.url, greet=False) as one:
        await one.send("40/admin,")
        assert (await one.receive()).startswith("44/admin,")
    await assert_well(door)


async def test_of_more_transports_that_are_nobodys_an_older_one_goes(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_max_connections=1) as small:
        address = f"{small.served.ws}/socket.io/?EIO=4&transport=websocket"
        mute = await asyncio.gather(*[websockets.connect(address) for _ in range(7)])
        await eventually(lambda: sum(one.state is State.OPEN for one in mute) == 4)
        last = await websockets.connect(address)
        await eventually(lambda: sum(one.state is State.OPEN for one in mute) == 3)
        assert (await last.recv())[0] == "0"
        await assert_well(small)
        for one in (*mute, last):
            await one.close()


async def test_a_peer_that_opens_many_transports_keeps_no_other_out(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_max_connections=1) as small, raw(small.url, greet=False) as one:
        address = f"{small.served.ws}/socket.io/?EIO=4&transport=websocket"
        for _ in range(20):
            await websockets.connect(address, local_addr=("127.0.0.2", 0))
        await one.send("40")
        assert (await one.receive()).startswith("40{")


async def test_strangers_who_ask_for_transports_lock_nobody_out(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_max_connections=1, api_keys=("sk-one-0123456789abc",)) as small:
        for _ in range(4):
            await asyncio.to_thread(polled, small.url)
        async with worker(small.url, auth={"token": "sk-one-0123456789abc"}) as one:
            assert await one.begin()


# -- messages of megabytes ---------------------------------------------------------------------------------------------
LONG_MS = 7_000
MIB = 2**20
LONG = sound(tone(LONG_MS), duration_ms=LONG_MS)
BASE64 = LONG["data_base64"]
LONG_AUDIO: dict[str, tuple[str, str]] = {
    "plain": (BASE64, "success"),
    "escaped slashes": (BASE64.replace("/", "\\/"), "success"),
    "escaped signs": (BASE64.replace("+", "\\u002B"), "success"),
    "no base64": (BASE64 + "!", "INVALID_AUDIO_FORMAT"),
    "no escapes": (BASE64 + "\\q", "INVALID_AUDIO_FORMAT"),
    "too long": ("A" * 14 * MIB, "FRAGMENT_TOO_LARGE"),
    "much too long": ("\\/" * 14 * MIB, "FRAGMENT_TOO_LARGE"),
}


def packet(one: Worker, base64: str) -> str:
    """A fragment with this as its audio, just as it is."""
    return "42" + json.dumps(["fragment:data", one.fragment(0, audio={**LONG, "data_base64": "@"})]).replace(
        "@", base64
    )


@pytest.mark.parametrize("name", LONG_AUDIO)
async def test_audio_of_megabytes_is_as_good_as_any_however_it_is_written(door: Door, name: str) -> None:
    base64, expected = LONG_AUDIO[name]
    one = Worker()
    async with raw(door.url) as socket:
        await socket.emit("stream:init", one.init_payload())
        assert (await socket.event())[0] == "stream:ready"
        await socket.send(packet(one, base64))
        event, told = await socket.event()
        if event == "fragment:ack":
            event, told = await socket.event()
        assert told.get("status", told.get("code")) == expected
        if event == "error":
            assert (told["details"]["param"], told["fragment_id"]) == ("audio.data_base64", one.name(0))
    await assert_well(door)


async def test_an_event_of_megabytes_that_holds_too_much_is_refused_by_its_name(door: Door) -> None:
    one = Worker()
    async with raw(door.url) as socket:
        for values in ([0] * 200_000, "x" * 3 * MIB):
            await socket.emit("stream:init", one.init_payload(values=values))
            name, told = await socket.event()
            assert (name, told["code"]) == ("error", "INVALID_CONFIG")
        await socket.send(b"x" * MIB)
        await socket.emit("stream:init", one.init_payload())
        assert (await socket.event())[0] == "stream:ready"
    await assert_well(door)
