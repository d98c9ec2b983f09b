"""One connection: its ordered send queue, when further fragments are read, and when it is idle."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from antiphon.doors.dubbing.connection import DubbingConnection
from antiphon.doors.dubbing.transports import Transport
from antiphon.wire.dubbing_server import DisconnectAck
from tests.unit.doors.dubbing.stage import IDENTITY

EVENT = DisconnectAck(status="scheduled", disconnect_at_ms=0, message="m")


class Client:
    """A connection whose client reads an event each time that it is told to."""

    def __init__(self) -> None:
        self.read = asyncio.Semaphore(0)
        self.sent: list[str] = []
        self.reports: list[Any] = []
        self.is_idle = asyncio.Event()
        self.connection = DubbingConnection(
            "sid",
            Transport(None, "", is_known=False),
            IDENTITY,
            self._emit,
            lambda one: self.reports.append(("complete", one.sid)),
            lambda one: self._idle(one),
            lambda sid: self.reports.append(("hang up", sid)),
        )

    async def _emit(self, sid: str, name: str, _: Struct) -> None:
        assert sid == "sid"
        await self.read.acquire()
        self.sent.append(name)

    def _idle(self, connection: DubbingConnection) -> None:
        assert connection is self.connection
        self.is_idle.set()

    def send(self, *names: str) -> None:
        for name in names:
            self.connection.send(name, EVENT)

    def reads(self, events: int) -> None:
        for _ in range(events):
            self.read.release()

    async def idle(self) -> None:
        async with asyncio.timeout(10):
            await self.is_idle.wait()


async def is_ready(work: asyncio.Task[None]) -> bool:
    """Say whether a task ends as soon as everything that can run has run."""
    for _ in range(20):
        await asyncio.sleep(0)
    return work.done()


async def test_events_are_sent_in_order_one_at_a_time() -> None:
    client = Client()
    client.send("a", "b", "c")
    client.reads(3)
    await client.idle()
    assert client.sent == ["a", "b", "c"]
    client.is_idle.clear()
    client.send("d")
    client.reads(1)
    await client.idle()
    assert client.sent == ["a", "b", "c", "d"], "a queue that was empty starts again"


async def test_a_connection_is_idle_when_everything_was_sent() -> None:
    client = Client()
    assert client.connection.is_idle
    client.send("a")
    assert not client.connection.is_idle
    client.reads(1)
    await client.idle()
    assert client.connection.is_idle


async def test_no_fragment_is_read_while_more_than_four_events_are_unsent() -> None:
    client = Client()
    client.send(*"abcd")
    await asyncio.wait_for(client.connection.room(), 10)
    client.send("e")
    waiting = asyncio.create_task(client.connection.room())
    assert not await is_ready(waiting)
    client.reads(1)
    assert await is_ready(waiting)
    client.connection.close()


async def test_the_end_of_the_connection_sends_no_more_and_releases_who_waits() -> None:
    client = Client()
    client.send(*"abcdef")
    waiting = asyncio.create_task(client.connection.room())
    assert not await is_ready(waiting)
    timer = asyncio.get_running_loop().call_later(3_600, client.reports.append, "closed again")
    client.connection.closes = timer
    client.connection.close()
    assert await is_ready(waiting)
    assert timer.cancelled()
    client.reads(6)
    await asyncio.sleep(0)
    assert client.sent == []


async def test_a_displaced_connection_hangs_up_without_its_stream() -> None:
    client = Client()
    client.connection.displaced()
    assert client.connection.stream is None
    assert client.reports == [("hang up", "sid")]


async def test_the_completion_of_the_stream_is_reported() -> None:
    client = Client()
    client.connection.complete()
    assert client.reports == [("complete", "sid")]
