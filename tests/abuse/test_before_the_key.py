"""Strangers at a server that asks for keys: whatever they send, or keep back, it costs nobody else anything."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.abuse.measuring import MIB, Victim, victim
from tests.strangers import POLL, UPGRADE, Stranger, chunk, frame, opened, request, stranger

KEY = "sk-that-only-some-have"
HANDSHAKE_S = 1.0
MARGIN_S = 15.0
"""Bounds a hang; a connection that nothing ends stays for longer."""
MOST = 60
"""Unfinished handshakes at a time."""
CHUNKED = "transfer-encoding: chunked"
SMALL = 16 * 2**10
MOST_BYTES = 8 * MIB
TRIES = 5
"""Whoever sends takes time of the same cores as the server."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[Victim]:
    with victim(api_keys=KEY, handshake_timeout_s=HANDSHAKE_S, max_handshakes=MOST) as attacked:
        for _ in range(3):  # the first request of a process takes longer
            with urllib.request.urlopen(f"{attacked.url}/health") as answer:
                answer.read()
        yield attacked


def length(size: int) -> str:
    return f"content-length: {size}"


async def assert_harmless(server: Victim, attack: Callable[[], Awaitable[None]]) -> None:
    harm = await server.suffer(attack, tries=TRIES)
    if harm.memory_bytes > MOST_BYTES:  # a child of the server may have started just then
        harm = await server.suffer(attack, tries=TRIES)
    assert harm.memory_bytes < MOST_BYTES
    assert harm.cpu_s < 0.5
    assert harm.is_calm()


async def pour(one: Stranger, body: bytes) -> None:
    """Send as much as is taken soon."""
    sending = asyncio.create_task(one.send(body))
    await asyncio.wait([sending], timeout=0.05)
    sending.cancel()


# -- bodies ------------------------------------------------------------------------------------------------------------
LARGE = ((length(50 * MIB), b"4" * MIB), (CHUNKED, chunk(b"4" * MIB)))
"""The beginnings of bodies that have no end."""


async def test_a_large_body_is_refused_before_it_is_read(server: Victim) -> None:
    async def send(target: str, header: str, body: bytes) -> None:
        async with stranger(server.port) as one:
            await one.send(request("POST", target, header, body=body[:70_000]))
            assert (await one.answer())[0] in (401, 405, 413)
            await pour(one, body)

    async def attack() -> None:
        for header, body in LARGE:
            async with stranger(server.port) as other:
                await send(f"{POLL}&sid={await opened(other)}", header, body)
            for target in ("/v1/audio/transcriptions", "/health"):
                await send(target, header, body)

    await assert_harmless(server, attack)


async def test_half_sent_bodies_are_not_kept(server: Victim) -> None:
    body = chunk(b"4" * MIB)[:-2]

    async def attack(*, until_the_end: bool = False) -> None:
        async with AsyncExitStack() as stack:
            many: list[Stranger] = []
            for each in (*[1] * 12, 25):  # twelve sessions, and one with many bodies
                session = ""
                for number in range(each):
                    many.append(one := await stack.enter_async_context(stranger(server.port)))
                    session = session or f"{POLL}&sid={await opened(one)}"
                    await one.send(request("POST", session, CHUNKED if number % 2 else length(len(body) + 1)))
            await asyncio.gather(*(pour(one, body) for one in many))
            if until_the_end:
                await asyncio.gather(*(one.ended(HANDSHAKE_S + MARGIN_S) for one in many))

    await assert_harmless(server, attack)
    await attack(until_the_end=True)


# -- messages ----------------------------------------------------------------------------------------------------------
async def connected(one: Stranger, session: str = "") -> None:
    await one.send(request("GET", f"/socket.io/?EIO=4&transport=websocket{session}", *UPGRADE))
    assert b" 101 " in await one.reader.readuntil(b"\r\n\r\n")


async def test_a_large_message_ends_the_connection(server: Victim) -> None:
    async def attack() -> None:
        async with stranger(server.port) as other, stranger(server.port) as new, stranger(server.port) as upgraded:
            await connected(new)
            await connected(upgraded, f"&sid={await opened(other)}")
            for one in (new, upgraded):
                await pour(one, frame(b"4" * MIB, size=50 * MIB))
                await one.ended(MARGIN_S)

    await assert_harmless(server, attack)


async def test_greetings_whose_answers_are_not_read_do_not_pile_up(server: Victim) -> None:
    async def attack() -> None:
        async with stranger(server.port) as one:
            await connected(one)
            await pour(one, frame(b'40{"token":"sk-wrong"}') * 1000)
            await one.ended(MARGIN_S)

    await assert_harmless(server, attack)


# -- time --------------------------------------------------------------------------------------------------------------
async def trickle(server: Victim) -> None:
    async with stranger(server.port) as one:
        await one.send(request("POST", f"{POLL}&sid={await opened(one)}", length(SMALL), body=b"4" * 100))
        await one.ended(HANDSHAKE_S + MARGIN_S)


async def upgrade(server: Victim, says: bytes) -> None:
    async with stranger(server.port) as other, stranger(server.port) as one:
        await connected(one, f"&sid={await opened(other)}")
        await one.send(says)
        await one.ended(HANDSHAKE_S + MARGIN_S)


async def poll(server: Victim) -> None:
    async with stranger(server.port) as one:
        for _ in range(30):
            session = f"{POLL}&sid={await opened(one)}"
        await one.send(request("GET", session))
        assert await one.answer(HANDSHAKE_S + MARGIN_S) == (200, b"1"), "it is told"
        await one.send(request("GET", session))
        assert (await one.answer())[0] == 400


async def test_what_a_stranger_begins_ends_soon_and_leaves_nothing(server: Victim) -> None:
    tasks = int(server.server.ask("held").split()[0])
    await asyncio.gather(trickle(server), upgrade(server, b""), upgrade(server, frame(b"2probe")), poll(server))
    async with asyncio.timeout(MARGIN_S):
        while int(server.server.ask("held").split()[0]) > tasks:
            await asyncio.sleep(0.05)


# -- what one packet can ask for ---------------------------------------------------------------------------------------
PACKETS = {
    "headers": request("GET", "/", *["a:"] * 15_000),
    "chunks": request("POST", "/", CHUNKED, body=b"1\r\nx\r\n" * 40_000),
    "trailers": request("POST", "/", CHUNKED, body=b"0\r\n" + b"a:\r\n" * 15_000 + b"\r\n"),
    "fields": request("GET", "/socket.io/?" + "a=b&" * 15_000),
    "protocols": request("GET", "/v1/realtime", *UPGRADE, "sec-websocket-protocol: " + "a," * 12_000 + "a"),
    "escapes": request("GET", "/" + "%41" * 20_000),
}


async def test_a_packet_of_many_small_parts_stalls_nobody(server: Victim) -> None:
    async def attack() -> None:
        for kind, packet in PACKETS.items():
            async with stranger(server.port) as one:
                await one.send(packet)
                assert (await one.answer())[0] in (400, 401), kind

    await assert_harmless(server, attack)


# -- connections -------------------------------------------------------------------------------------------------------
async def test_a_proper_client_gets_in_next_to_too_many_strangers(server: Victim) -> None:
    async with AsyncExitStack() as stack:
        for number in range(MOST + 20):
            one = await stack.enter_async_context(stranger(server.port))
            match number % 4:
                case 0:
                    await one.send(request("POST", f"{POLL}&sid={await opened(one)}", length(SMALL), body=b"4"))
                case 1:
                    await one.send(request("POST", "/v1/audio/speech", length(SMALL), body=b"{"))
                case 2:
                    await one.send(request("GET", "/v1/models")[:-1])
                case _:
                    pass
        async with stranger(server.port) as proper:
            await proper.send(request("GET", "/v1/models", f"authorization: Bearer {KEY}"))
            assert (await proper.answer(MARGIN_S))[0] == 200
        assert int(server.server.ask("held").split()[1]) <= MOST


async def test_nothing_of_all_this_is_a_fault_in_the_log(server: Victim) -> None:
    assert server.server.errors() == []
