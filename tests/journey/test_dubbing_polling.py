"""Sessions of the dubbing door that poll: what they may send, how much of it at a time, and when they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets

from antiphon.doors.dubbing.transports import MAX_POST_BYTES
from antiphon.doors.server.exchange import UNKEYED_BYTES
from tests.dubbing import Door, dubbing, eventually, refusal, sound, tone, worker
from tests.strangers import POLL, UPGRADE, Stranger, chunk, opened, request, stranger

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-that-only-some-have"
GREETING = f'40{{"token":"{KEY}"}}'.encode()
CONNECTIONS = 'active_connections{door="dubbing"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with dubbing(tmp_path_factory.mktemp("polling"), api_keys=(KEY,)) as running:
        yield running


class Session:
    """A session polled by hand."""

    def __init__(self, port: int, one: Stranger, sid: str) -> None:
        self.sid = sid
        self._port = port
        self._one = one
        self._address = f"{POLL}&sid={sid}"

    async def post(self, body: bytes, *headers: str) -> int:
        """Send a body and return the status of the answer."""
        await self._one.send(request("POST", self._address, *(headers or (f"content-length: {len(body)}",)), body=body))
        return (await self._one.answer())[0]

    async def get(self) -> tuple[int, bytes]:
        """Poll once."""
        await self._one.send(request("GET", self._address))
        return await self._one.answer()

    async def greet(self) -> None:
        """Become a worker's."""
        assert await self.post(GREETING) == 200
        status, body = await self.get()
        assert (status, body[:3]) == (200, b"40{")

    @contextlib.asynccontextmanager
    async def again(self) -> AsyncIterator[Session]:
        """The same session over another connection."""
        async with stranger(self._port) as one:
            yield Session(self._port, one, self.sid)

    async def upgrade(self) -> Any:
        """Return a WebSocket that the session has moved to."""
        target = f"ws://127.0.0.1:{self._port}/socket.io/?EIO=4&transport=websocket&sid={self.sid}"
        socket = await websockets.connect(target, compression=None)
        await socket.send("2probe")
        assert await socket.recv() == "3probe"
        await socket.send("5")
        return socket


def port_of(door: Door) -> int:
    return int(door.url.rpartition(":")[2])


@contextlib.asynccontextmanager
async def session(door: Door, *, greet: bool = True) -> AsyncIterator[Session]:
    port = port_of(door)
    async with stranger(port) as one:
        begun = Session(port, one, await opened(one))
        if greet:
            await begun.greet()
        yield begun
        await begun.post(b"1")


# -- workers -----------------------------------------------------------------------------------------------------------
async def test_a_worker_that_only_polls_carries_a_whole_stream(door: Door) -> None:
    async with worker(door.url, auth={"token": KEY}, transports=["polling"]) as one:
        assert one.transport == "polling"
        await one.begin()
        await one.accepted(*range(3))
        for number in range(3):
            assert (await one.result(one.name(number)))["status"] == "success"
        assert (await one.end())["success_count"] == 3


async def test_a_body_may_be_as_long_as_a_fragment_and_no_longer(door: Door) -> None:
    async with session(door) as one:
        assert await one.post(b'42["unknown","'.ljust(MAX_POST_BYTES - 2, b"A") + b'"]') == 200
        async with one.again() as other:
            assert await other.post(b"4" * 100, f"content-length: {MAX_POST_BYTES + 1}") == 413
        async with one.again() as other:
            assert await other.post(chunk(b"4" * (MAX_POST_BYTES + 1)), "transfer-encoding: chunked") == 413
        async with one.again() as other:
            assert await other.post(chunk(b"3") + b"0\r\n\r\n", "transfer-encoding: chunked") == 200


async def test_a_body_of_megabytes_carries_a_fragment(door: Door) -> None:
    sent = sound(tone(7_000), duration_ms=7_000)
    async with worker(door.url, auth={"token": KEY}, transports=["polling"]) as one:
        await one.begin()
        await one.offer(0, audio=sent)
        assert (await one.result(one.name(0)))["status"] == "success"
    async with session(door) as other:
        assert await other.post(b"b" + b"A" * 2**20 + b"\x1e3") == 200
        assert await other.post(b"4" + b"[" * 2**20) == 400


async def test_the_client_is_told_how_long_a_body_may_be(door: Door) -> None:
    async with stranger(port_of(door)) as one:
        await one.send(request("GET", POLL))
        assert json.loads((await one.answer())[1][1:])["maxPayload"] == MAX_POST_BYTES


async def test_answers_are_kept_nowhere_and_taken_for_nothing_else(door: Door) -> None:
    address = f"{door.url}/socket.io/?EIO=4&transport=polling"
    async with httpx.AsyncClient() as client:
        begun, refused = await client.get(address), await client.get(f"{address}&sid=unknown")
    assert (begun.status_code, refused.status_code) == (200, 400)
    for answer in (begun, refused):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("cache-control") == ["no-store"]


# -- keys --------------------------------------------------------------------------------------------------------------
async def test_a_wrong_key_in_the_request_is_refused_before_there_is_a_session(door: Door) -> None:
    for key in ("sk-that-nobody-has", "ek_none"):
        told = await refusal(door.url, headers={"Authorization": f"Bearer {key}"}, transports=["polling"])
        assert told["data"]["code"] == "AUTH_FAILED"
    async with session(door, greet=False) as one, one.again() as other:
        body = b"4" * UNKEYED_BYTES
        assert await other.post(body, f"content-length: {len(body)}", "authorization: Bearer sk-that-nobody-has") == 401


async def test_a_right_key_in_the_request_keeps_its_place_beside_many_strangers(tmp_path: Path) -> None:
    async with (
        dubbing(tmp_path, api_keys=(KEY,), dubbing_max_connections=1) as small,
        stranger(port_of(small)) as one,
        stranger(port_of(small)) as other,
    ):
        await one.send(request("GET", POLL, f"authorization: Bearer {KEY}"))
        sid = json.loads((await one.answer())[1][1:])["sid"]
        strangers = [await opened(other) for _ in range(10)]
        known = Session(port_of(small), one, sid)
        assert await known.post(b"40") == 200
        assert (await known.get())[1].startswith(b"40{")
        status, told = await Session(port_of(small), other, strangers[0]).get()
        assert status == 400 or told == b"1", "it is gone, or is just being closed"


async def test_until_the_greeting_a_body_is_short(door: Door) -> None:
    for header in (f"content-length: {UNKEYED_BYTES + 1}", "transfer-encoding: chunked"):
        async with session(door, greet=False) as one, one.again() as other:
            assert await other.post(chunk(b"4" * (UNKEYED_BYTES + 1)), header) == 413
            assert await one.post(b"3".ljust(UNKEYED_BYTES)) == 200
            await one.greet()


async def test_until_the_greeting_not_much_is_listened_to(door: Door) -> None:
    async with session(door, greet=False) as one:
        statuses = [await one.post(b"\x1e".join([b"3"] * 16)) for _ in range(3)]
        assert statuses == [200, 200, 400]
        assert (await one.get())[0] == 400, "it is over"


# -- one at a time -----------------------------------------------------------------------------------------------------
async def test_of_two_bodies_at_once_the_second_is_refused(door: Door) -> None:
    async with session(door) as one, stranger(port_of(door)) as slow:
        await slow.send(request("POST", f"{POLL}&sid={one.sid}", "content-length: 2", body=b"3"))
        async with asyncio.timeout(10):
            while await one.post(b"3") == 200:
                pass
        await slow.send(b" ")
        assert (await slow.answer())[0] == 200
        assert await one.post(b"3") == 200


async def test_of_two_polls_at_once_the_second_is_refused(door: Door) -> None:
    async with session(door) as one, one.again() as first, one.again() as second:
        polls = {asyncio.create_task(way.get()) for way in (first, second)}
        done, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert [poll.result()[0] for poll in done] == [400]
        assert await one.post(b"5") == 200, "which is answered"
        assert [(await poll)[0] for poll in waiting] == [200]


async def test_a_session_has_one_upgrade_at_a_time(door: Door) -> None:
    async with session(door) as one:
        target = f"/socket.io/?EIO=4&transport=websocket&sid={one.sid}"
        async with stranger(port_of(door)) as first, stranger(port_of(door)) as second:
            await first.send(request("GET", target, *UPGRADE))
            assert b" 101 " in await first.reader.readuntil(b"\r\n\r\n")
            await second.send(request("GET", target, *UPGRADE))
            assert (await second.answer())[0] == 400
        async with asyncio.timeout(10):
            while (upgraded := await _upgraded(one)) is None:
                pass
        async with upgraded:
            await upgraded.send("41")
            assert await one.post(b"3") == 400, "it has moved"


async def _upgraded(one: Session) -> Any:
    try:
        return await one.upgrade()
    except websockets.InvalidStatus:  # the end of the one before has not been noticed yet
        return None


# -- what is none ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [b"\x1e" * 100_000, b"\x1e".join([b"3"] * 17), b"d=3", b"2", b"0", b"6", b"x", b"3\x1e2", b"\xff"],
    ids=repr,
)
async def test_a_body_that_no_client_sends_is_refused_and_the_session_goes_on(door: Door, body: bytes) -> None:
    async with session(door) as one:
        assert await one.post(body) == 400
        assert await one.post(b"3") == 200


@pytest.mark.parametrize("query", ["&j=0", "&a=b" * 100, "&sid=unknown", "&sid=unknown&sid=other"])
async def test_other_requests_are_refused_without_their_body(door: Door, query: str) -> None:
    for method in ("GET", "POST"):
        async with stranger(port_of(door)) as one:
            await one.send(request(method, POLL + query, "content-length: 100", body=b"4"))
            assert (await one.answer())[0] == 400


async def test_an_upgrade_that_the_server_does_not_see_is_none(door: Door) -> None:
    async with stranger(port_of(door)) as one:
        hidden = ("connection: upgrade", "connection: keep-alive", "upgrade: websocket")
        await one.send(request("GET", "/socket.io/?EIO=4&transport=websocket", *hidden))
        assert (await one.answer())[0] == 400


async def test_a_field_that_is_called_nearly_like_a_session_opens_no_more_than_others(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_max_connections=1) as small, stranger(port_of(small)) as one:
        sids: list[str] = []
        for _ in range(6):
            await one.send(request("GET", f"{POLL}&xsid=1"))
            sids.append(json.loads((await one.answer())[1][1:])["sid"])
        told: list[int] = []
        for sid in sids:
            await one.send(request("POST", f"{POLL}&sid={sid}", "content-length: 1", body=b"3"))
            told.append((await one.answer())[0])
        assert sorted(told) == [200] * 4 + [400] * 2, "there is room for four"
        assert told[-1] == 200, "the newest stays"


# -- ends --------------------------------------------------------------------------------------------------------------
async def test_who_has_left_must_greet_again_soon(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async with session(door) as one:
        for _ in range(2):
            assert await one.post(b"41") == 200
            await eventually(lambda: not door.metric(CONNECTIONS))
            await one.greet()
        monkeypatch.setattr("antiphon.doors.dubbing.endpoint._CONNECT_TIMEOUT_S", 0.3)
        assert await one.post(b"41") == 200
        assert await one.get() == (200, b"1")
        assert (await one.get())[0] == 400


async def test_a_session_that_greets_nobody_ends_with_all_that_waits_at_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.doors.dubbing.endpoint._CONNECT_TIMEOUT_S", 1.0)
    tasks = len(asyncio.all_tasks())
    async with session(door, greet=False) as one, stranger(port_of(door)) as slow:
        await slow.send(request("POST", f"{POLL}&sid={one.sid}", "content-length: 2", body=b"3"))
        assert await one.get() == (200, b"1")
        await slow.ended(10)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_worker_that_says_nothing_is_told_to_go_or_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.doors.dubbing.endpoint._CLOSE_TIMEOUT_S", 0.1)
    idle = dubbing(tmp_path, api_keys=(KEY,), dubbing_idle_s=1.0)
    async with idle as door, session(door) as polled, session(door) as upgraded, asyncio.timeout(20):
        socket = await upgraded.upgrade()
        assert await polled.get() == (200, b"41")
        assert await polled.get() == (200, b"1")
        assert (await polled.get())[0] == 400
        await socket.wait_closed()


async def test_a_worker_that_polls_is_let_go_by_a_drain_at_once(tmp_path: Path) -> None:
    async with (
        dubbing(tmp_path, api_keys=(KEY,)) as door,
        session(door) as worker_,
        session(door, greet=False) as other,
    ):
        polls = [asyncio.create_task(one.get()) for one in (worker_, other)]
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await door.served.process.added["dubbing:gateway"].drain(60)
            answers = [await poll for poll in polls]
        assert {status for status, _ in answers} <= {200, 400}


# -- without it --------------------------------------------------------------------------------------------------------
async def test_polling_may_be_turned_off(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_polling=False) as door:
        async with stranger(port_of(door)) as one:
            for method in ("GET", "POST", "OPTIONS"):
                await one.send(request(method, POLL))
                status, body = await one.answer()
                assert (status, json.loads(body)["error"]["param"]) == (400, "transport")
        await refusal(door.url, transports=["polling", "websocket"])
        async with worker(door.url) as one:
            assert await one.begin()
