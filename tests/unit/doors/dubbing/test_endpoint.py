"""The dubbing door: who connects, which stream begins, what a drain and the timeouts end. Clients poll, in process."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from antiphon.clock import SystemClock, VirtualClock
from antiphon.doors.dubbing.endpoint import DubbingDoor
from antiphon.doors.dubbing.options import DubbingOptions, DubbingRefusal, DubbingServices
from antiphon.doors.dubbing.ownership import StreamOwnership
from antiphon.dubbing.voices import VoiceProfile
from antiphon.entities.history import Unit
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.store.artifacts import NullArtifacts
from antiphon.wire.dubbing_client import StreamConfig
from tests.options import embedded_bus, stream_rules
from tests.unit.doors.asgi_call import Answered, receiver
from tests.unit.doors.dubbing.stage import KEY, access, scope
from tests.unit.dubbing.stages import fragment, init
from tests.virtual_time import on_virtual_time

OPTIONS: dict[str, Any] = {
    "rules": stream_rules(),
    "mode": "full",
    "needs_key": True,
    "max_connections": 3,
    "connections_per_key": 2,
    "ping_interval_s": 1_000.0,
    "ping_timeout_s": 1_000.0,
    "idle_s": 30.0,
    "close_s": 5.0,
    "stall_s": 10.0,
    "resume_s": 60.0,
    "handshake_s": 5.0,
    "polling": True,
}


def judge(config: StreamConfig) -> VoiceProfile:
    """Speak with any voice but one."""
    if config.voice_profile == "nobody":
        raise DubbingRefusal("INVALID_VOICE_PROFILE", "there is no such voice", "config.voice_profile")
    return VoiceProfile(config.voice_profile)


class Door:
    """A door, and the clients that poll it."""

    def __init__(
        self, clock: VirtualClock | None = None, *, keys: tuple[str, ...] = (), requests: int = 0, **given: Any
    ):
        time, metrics = clock or SystemClock(), Metrics()
        self.metrics = metrics
        self.units: list[Unit] = []
        self.door = DubbingDoor(
            DubbingServices(
                access(*keys)[0],
                JobClient(embedded_bus(time), time, timeout_s=1_000),
                time,
                metrics,
                DubbingMetrics(metrics.registry),
                judge,
                self.units.append,
                StreamOwnership(None, "here", heartbeat_s=1, sweep_s=1),
                NullArtifacts(),
                SlidingWindowLimiter(requests=requests, clock=time),
            ),
            DubbingOptions(**{**OPTIONS, **given}),
        )

    async def ask(self, method: str, sid: str = "", body: str = "") -> Answered:
        """Return the answer to one request."""
        answered = Answered()
        query = f"EIO=4&transport=polling{f'&sid={sid}' if sid else ''}"
        await self.door(scope(method, query), receiver(body.encode()), answered.send)
        return answered

    async def client(self, auth: Any = None) -> Client:
        """Open a transport and connect to the namespace."""
        client = Client(self, json.loads((await self.ask("GET")).body[1:])["sid"])
        await client.post(f"40{json.dumps(auth) if auth else ''}")
        client.connected = await client.packet()
        return client

    @property
    def connections(self) -> float:
        """Connections that the metrics count."""
        lines = self.metrics.render().decode().splitlines()
        return float(next(line for line in lines if line.startswith("ws_active_connections ")).split()[-1])


class Client:
    """A client that polls."""

    def __init__(self, door: Door, sid: str) -> None:
        self.sid = sid
        self.connected = ""
        self._door = door
        self._packets: list[str] = []

    async def post(self, packet: str) -> None:
        """Send a packet."""
        assert (await self._door.ask("POST", self.sid, packet)).status == 200

    async def emit(self, name: str, payload: Any) -> None:
        """Send an event."""
        await self.post(f"42{json.dumps([name, payload])}")

    async def packet(self) -> str:
        """Take the next packet."""
        while not self._packets:
            answered = await self._door.ask("GET", self.sid)
            assert answered.status == 200, answered.body
            self._packets = answered.body.decode().split("\x1e")
        return self._packets.pop(0)

    async def event(self, name: str) -> Any:
        """Take the next packet, which is an event of this name."""
        packet = await self.packet()
        assert packet.startswith("42"), packet
        came, payload = json.loads(packet[2:])
        assert came == name, payload
        return payload

    async def begun(self, **fields: Any) -> Any:
        """Begin a stream."""
        await self.emit("stream:init", init(**fields))
        return await self.event("stream:ready")

    async def refused(self, event: str, payload: Any) -> tuple[str, str | None]:
        """Send an event that is refused, and return the code and the field of the error."""
        await self.emit(event, payload)
        error = await self.event("error")
        return error["code"], error.get("details", {}).get("param")

    async def is_over(self) -> bool:
        """Say whether the connection was ended: by a packet, or as an unknown session."""
        answered = await self._door.ask("GET", self.sid)
        return answered.status == 400 or answered.body[:2] in (b"41", b"1", b"6")


# -- connections -----------------------------------------------------------------------------------------------------
async def test_a_client_connects_begins_a_stream_and_has_its_fragment_acknowledged() -> None:
    client = await Door().client()
    assert client.connected.startswith("40{")
    assert (await client.begun(max_inflight=4))["max_inflight"] == 4
    await client.emit("fragment:data", fragment(0))
    assert (await client.event("fragment:ack"))["fragment_id"] == "f0"


@pytest.mark.parametrize(("auth", "code"), [(None, "AUTH_FAILED"), ({"token": "sk-wrong-0123456789"}, "AUTH_FAILED")])
async def test_a_client_without_a_valid_key_is_refused_with_a_code(auth: Any, code: str) -> None:
    door = Door(keys=(KEY,))
    refused = (await door.client(auth)).connected
    assert refused.startswith("44")
    assert json.loads(refused[2:])["data"]["code"] == code
    assert door.connections == 0
    assert (await door.client({"token": KEY})).connected.startswith("40")


@pytest.mark.parametrize(
    ("keys", "given", "message"),
    [((), {"max_connections": 2}, "no more connections"), ((KEY,), {}, "2 connections already")],
)
async def test_connections_are_limited_in_all_and_by_key(keys: tuple[str, ...], given: Any, message: str) -> None:
    door, auth = Door(keys=keys, **given), {"token": KEY}
    for _ in range(2):
        assert (await door.client(auth)).connected.startswith("40")
    refused = json.loads((await door.client(auth)).connected[2:])
    assert refused["data"]["code"] == "RATE_LIMIT"
    assert message in refused["message"]
    assert door.connections == 2


async def test_a_client_that_disconnects_leaves_its_place() -> None:
    door = Door(max_connections=1)
    client = await door.client()
    await client.post("41")
    assert door.connections == 0
    assert (await door.client()).connected.startswith("40")


async def test_a_client_event_named_connect_changes_nothing() -> None:
    door = Door()
    client = await door.client()
    await client.emit("connect", {})
    assert door.connections == 1
    assert await client.begun()


# -- streams ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        (None, ("INVALID_CONFIG", None)),
        (init(worker_id=5), ("INVALID_CONFIG", "worker_id")),
        (init(config={**init()["config"], "channels": 9}), ("INVALID_CONFIG", "config.channels")),
        (
            init(config={**init()["config"], "voice_profile": "nobody"}),
            ("INVALID_VOICE_PROFILE", "config.voice_profile"),
        ),
    ],
)
async def test_a_stream_that_cannot_begin_is_refused_and_a_corrected_one_begins(payload: Any, refusal: Any) -> None:
    client = await Door().client()
    assert await client.refused("stream:init", payload) == refusal
    assert await client.begun()


async def test_a_stream_does_not_begin_again_while_fragments_are_in_flight() -> None:
    client = await Door().client()
    await client.begun()
    await client.emit("fragment:data", fragment(0))
    await client.event("fragment:ack")
    assert (await client.refused("stream:init", init()))[0] == "INVALID_CONFIG"


async def test_a_new_stream_is_charged_as_a_request_and_a_resumed_one_is_not() -> None:
    door = Door(requests=1)
    client = await door.client()
    await client.begun(stream_id="one")
    await client.begun(stream_id="one")
    assert (await client.refused("stream:init", init(stream_id="two")))[0] == "RATE_LIMIT"


@pytest.mark.parametrize("event", ["fragment:data", "stream:pause", "stream:resume", "stream:end"])
async def test_an_event_before_the_stream_is_answered(event: str) -> None:
    client = await Door().client()
    payload = fragment(0) if event == "fragment:data" else {"stream_id": "s"}
    assert (await client.refused(event, payload))[0] == "STREAM_NOT_FOUND"


@pytest.mark.parametrize("event", ["stream:pause", "stream:resume", "stream:end"])
async def test_a_command_with_a_wrong_field_is_refused_with_its_name(event: str) -> None:
    client = await Door().client()
    await client.begun()
    assert await client.refused(event, {"stream_id": 5}) == ("INVALID_CONFIG", "stream_id")


async def test_a_second_connection_takes_the_stream_over() -> None:
    door = Door()
    before = await door.client()
    await before.begun()
    after = await door.client()
    await after.begun()
    async with asyncio.timeout(10):
        while not await before.is_over():
            pass
    await after.emit("fragment:data", fragment(0))
    assert (await after.event("fragment:ack"))["status"] == "queued"


async def test_simulations_exist_in_echo_mode_only() -> None:
    rules = {"enabled": True, "rules": []}
    echo = await Door(mode="echo").client()
    await echo.begun()
    await echo.emit("config:error_simulation", rules)
    assert (await echo.event("config:error_simulation:ack"))["status"] == "accepted"
    await echo.emit("config:error_simulation", {"enabled": 5})
    assert (await echo.event("config:error_simulation:ack"))["status"] == "rejected"
    assert (await echo.refused("simulate:disconnect", {"delay_ms": -1}))[0] == "INVALID_CONFIG"
    full = await Door().client()
    await full.begun()
    await full.emit("config:error_simulation", rules)
    assert (await full.refused("stream:pause", {"stream_id": "other"}))[0] == "STREAM_NOT_FOUND", "and nothing before"


# -- time ------------------------------------------------------------------------------------------------------------
@on_virtual_time
async def test_a_connection_without_a_stream_is_closed_when_it_is_idle(clock: VirtualClock) -> None:
    door = Door(clock)
    client = await door.client()
    await asyncio.sleep(29)
    assert (await client.refused("stream:pause", {"stream_id": "s"}))[0] == "STREAM_NOT_FOUND"
    await asyncio.sleep(29)
    assert door.connections == 1, "any event restarts the timeout"
    await asyncio.sleep(2)
    assert door.connections == 0


@on_virtual_time
async def test_a_connection_with_a_stream_may_be_idle(clock: VirtualClock) -> None:
    door = Door(clock)
    await (await door.client()).begun()
    await asyncio.sleep(300)
    assert door.connections == 1


@on_virtual_time
async def test_a_connection_is_closed_after_its_stream_is_complete(clock: VirtualClock) -> None:
    door = Door(clock)
    client = await door.client()
    await client.begun()
    await client.emit("stream:end", {"stream_id": "s"})
    await client.event("stream:complete")
    await asyncio.sleep(4.9)
    assert door.connections == 1
    await asyncio.sleep(0.2)
    assert door.connections == 0


@on_virtual_time
async def test_a_client_that_stops_reading_is_disconnected(clock: VirtualClock) -> None:
    door = Door(clock)
    client = await door.client()
    await client.emit("stream:init", init())
    await asyncio.sleep(9)
    assert door.connections == 1
    await asyncio.sleep(3)
    assert door.connections == 0


@on_virtual_time
async def test_a_simulated_disconnect_comes_after_its_delay(clock: VirtualClock) -> None:
    door = Door(clock, mode="echo")
    client = await door.client()
    await client.begun()
    await client.emit("simulate:disconnect", {"delay_ms": 2_000})
    at_ms = int(clock.wall() * 1_000) + 2_000
    assert (await client.event("simulate:disconnect:ack"))["disconnect_at_ms"] == at_ms
    await asyncio.sleep(1.9)
    assert door.connections == 1
    await asyncio.sleep(0.2)
    assert door.connections == 0


@on_virtual_time
async def test_a_drain_disconnects_idle_clients_at_once_and_accepts_no_more(clock: VirtualClock) -> None:
    door = Door(clock)
    await (await door.client()).begun()
    before = clock.now()
    await door.door.drain(60)
    assert (clock.now(), door.connections) == (before, 0)
    assert json.loads((await door.client()).connected[2:])["data"]["code"] == "RATE_LIMIT"


@on_virtual_time
async def test_a_drain_waits_for_fragments_in_flight_until_its_deadline(clock: VirtualClock) -> None:
    door = Door(clock)
    client = await door.client()
    await client.begun(timeout_ms=30_000)
    await client.emit("fragment:data", fragment(0))
    await client.event("fragment:ack")
    before = clock.now()
    await door.door.drain(20)
    assert 20 <= clock.now() - before <= 21.1
    assert door.connections == 0
