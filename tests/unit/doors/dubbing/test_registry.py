"""Which connection has which stream: one of each, also while a stream is being claimed, and after it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Struct

from antiphon.clock import SystemClock
from antiphon.doors.access.authentication import Identity
from antiphon.doors.dubbing.connection import DubbingConnection
from antiphon.doors.dubbing.driver import StreamServices
from antiphon.doors.dubbing.ownership import StreamOwnership
from antiphon.doors.dubbing.registry import StreamRegistry
from antiphon.doors.dubbing.transports import Transport
from antiphon.dubbing.voices import VoiceProfile
from antiphon.errors import Fenced, Overloaded
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.observe.tasks import TrackedTasks
from antiphon.ports.sessions import NOBODY, SessionOwner, SessionRecord
from antiphon.state.embedded import EmbeddedSessions
from antiphon.wire.dubbing_client import StreamConfig, StreamInit
from tests.options import embedded_bus, stream_rules

INIT = StreamInit(
    stream_id="match",
    worker_id="worker",
    config=StreamConfig(
        source_language="en",
        target_language="es",
        voice_profile="default",
        chunk_duration_ms=6000,
        sample_rate_hz=16_000,
        channels=1,
        format="pcm_s16le",
    ),
)
IDENTITY = Identity("default", "key")
KEY = (IDENTITY.account, INIT.stream_id)


class Gateway:
    """The streams of one gateway, and connections to it."""

    def __init__(self, sessions: EmbeddedSessions | None = None, name: str = "here", *, has_room: bool = True) -> None:
        clock, metrics = SystemClock(), Metrics()
        self.background = TrackedTasks("test")
        services = StreamServices(
            JobClient(embedded_bus(clock), clock, timeout_s=1),
            clock,
            DubbingMetrics(metrics.registry),
            lambda _: None,
            lambda _: None,
            shows_id=True,
        )
        ownership = StreamOwnership(sessions, name, heartbeat_s=0.01, sweep_s=60, has_room=lambda: has_room)
        self.streams = StreamRegistry(services, stream_rules(), ownership, self.background, resume_s=60)
        self.hung_up: list[str] = []
        self.sent: list[tuple[str, str]] = []

    def link(self, sid: str) -> DubbingConnection:
        async def emit(sid: str, name: str, _: Struct) -> None:
            self.sent.append((sid, name))

        return DubbingConnection(
            sid,
            Transport(None, "", is_known=False),
            IDENTITY,
            emit,
            lambda _: None,
            lambda _: None,
            self.hung_up.append,
        )

    async def joined(self, sid: str) -> DubbingConnection:
        """A connection whose stream has begun."""
        link, stream = self.link(sid), await self.streams.open(KEY)
        self.streams.attach(link, stream)
        stream.begin(INIT, VoiceProfile("default"))
        return link


class SlowSessions(EmbeddedSessions):
    """Sessions whose claims wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.may_claim = asyncio.Event()
        self.claims = 0

    async def claim(self, tenant: str, session_id: str, gateway_id: str, owner: SessionOwner = NOBODY) -> SessionRecord:
        self.claims += 1
        await self.may_claim.wait()
        return await super().claim(tenant, session_id, gateway_id, owner)


async def test_a_connection_has_no_stream_before_one_is_attached_and_none_after_it_was_detached() -> None:
    gateway = Gateway()
    link = gateway.link("one")
    assert link.stream is None
    assert link.is_idle
    link = await gateway.joined("one")
    assert link.stream is not None
    assert gateway.streams.count() == 1
    gateway.streams.detach(link, keep=True)
    assert link.stream is None
    assert gateway.streams.count() == 0


async def test_the_connection_that_had_the_stream_before_is_displaced() -> None:
    gateway = Gateway()
    before = await gateway.joined("before")
    after = await gateway.joined("after")
    assert gateway.hung_up == ["before"]
    assert before.stream is None
    assert after.stream is not None
    assert after.stream.listener is after
    gateway.streams.detach(before, keep=True)
    assert gateway.streams.count() == 1, "the end of the connection before takes nothing from the one after"


async def test_a_stream_that_is_opened_twice_at_once_is_claimed_once() -> None:
    sessions = SlowSessions()
    gateway = Gateway(sessions)
    opening = [asyncio.create_task(gateway.joined(sid)) for sid in ("one", "two")]
    await registered()
    sessions.may_claim.set()
    one, two = await asyncio.gather(*opening)
    assert sessions.claims == 1
    assert (one.stream, gateway.hung_up) == (None, ["one"])
    assert two.stream is not None


async def test_nothing_stays_of_a_new_stream_that_is_abandoned() -> None:
    sessions = EmbeddedSessions()
    gateway = Gateway(sessions)
    stream = await gateway.streams.open(KEY)
    assert stream.is_new
    gateway.streams.abandon(stream)
    await gateway.background.join()
    again = await gateway.streams.open(KEY)
    assert again is not stream
    assert again.is_new, "it would be charged as a request"


async def test_a_stream_of_another_gateway_that_is_abandoned_here_can_still_be_resumed() -> None:
    sessions = EmbeddedSessions()
    before, here, there = Gateway(sessions, "before"), Gateway(sessions), Gateway(sessions, "there")
    await before.joined("one")
    stream = await here.streams.open(KEY)
    assert not stream.is_new
    here.streams.abandon(stream)
    await here.background.join()
    resumed = await there.streams.open(KEY)
    assert resumed.lease is not None
    assert resumed.lease.resumed_at == 0


async def test_a_stream_that_has_begun_is_not_abandoned() -> None:
    gateway = Gateway()
    link = await gateway.joined("one")
    assert link.stream is not None
    gateway.streams.abandon(link.stream)
    assert gateway.streams.count() == 1


async def registered() -> None:
    """Let the tasks of a gateway run until all of them wait."""
    for _ in range(50):
        await asyncio.sleep(0)


async def running(gateway: Gateway, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario while the gateway keeps its streams."""
    keeping = asyncio.create_task(gateway.streams.run())
    try:
        async with asyncio.timeout(10):
            await scenario()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_a_stream_that_another_gateway_resumes_is_lost_here_with_its_connection() -> None:
    sessions = EmbeddedSessions()
    here, there = Gateway(sessions), Gateway(sessions, "there")

    async def scenario() -> None:
        link = await here.joined("here")
        await registered()
        await there.joined("there")
        while not here.hung_up:
            await asyncio.sleep(0.005)
        assert link.stream is None
        assert here.streams.count() == 0
        assert there.streams.count() == 1
        again = await here.joined("again")
        assert again.stream is not None, "and may come back"

    await running(here, scenario)


async def test_a_new_stream_is_refused_where_there_is_no_room_and_nothing_of_it_stays() -> None:
    gateway = Gateway(EmbeddedSessions(), has_room=False)
    with pytest.raises(Overloaded):
        await gateway.streams.open(KEY)
    assert gateway.streams.count() == 0


class FencedSessions(EmbeddedSessions):
    """Sessions of which another gateway is always quicker."""

    async def save(self, record: SessionRecord, change: object) -> None:
        raise Fenced("another gateway has it")


async def test_a_stream_that_another_gateway_claims_at_the_same_time_does_not_begin() -> None:
    gateway = Gateway(FencedSessions())
    with pytest.raises(Fenced):
        await gateway.streams.open(KEY)
