"""The realtime door: admission, new and resumed sessions, and its endless tasks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.conversation.session import Defaults
from antiphon.doors.access.authentication import Access
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.realtime.endpoint import RealtimeDoor, RealtimeOptions
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.errors import ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.engine import EngineContext
from antiphon.ports.sessions import SessionRecord
from antiphon.providers.registry import load
from antiphon.state.embedded import EmbeddedSessions
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.wire.realtime_server import TAKEN_OVER
from tests.options import embedded_bus, link_limits, session_rules
from tests.unit.doors.websocket.stage import Peer
from tests.virtual_time import on_virtual_time

KEYS = ("first-key-of-the-server", "second-key-of-the-server")
BUSY = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}


class Faulty(EmbeddedSessions):
    """Sessions whose heartbeats can fail."""

    is_away = False

    async def heartbeat(self, record: SessionRecord) -> None:
        if self.is_away:
            raise ProviderUnavailable("away", code="redis_unavailable")
        await super().heartbeat(record)


class Client(Peer):
    """A client of the door."""

    def __init__(self, door: RealtimeDoor, query: str, headers: dict[str, str]) -> None:
        super().__init__()
        pairs = {"authorization": f"Bearer {KEYS[0]}", **headers}
        scope = {
            "type": "websocket",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        }
        self.frames.put_nowait({"type": "websocket.connect"})
        self.serving = asyncio.create_task(door(scope, self.receive, self.send))

    async def until(self, done: Callable[[], Any]) -> None:
        """Return when ``done``, on virtual or real time."""
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.001)

    async def event(self, kind: str) -> dict[str, Any]:
        """Return the first event of a type."""
        await self.until(lambda: kind in [event["type"] for event in self.events()] or self.serving.done())
        (found, *_) = [event for event in self.events() if event["type"] == kind]
        return found

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    async def refusal(self) -> tuple[int, dict[str, Any]]:
        """Return status and error of a refused handshake."""
        await self.serving
        start, body = self.sent
        return start["status"], json.loads(body["body"])["error"]

    async def close_code(self) -> int:
        await self.serving
        return self.sent[-1]["code"]


class Stage:
    """A gateway with a realtime door; several may share their sessions."""

    def __init__(
        self, clock: VirtualClock | None = None, *, sessions: Faulty | None = None, resumes: bool = True, **room: Any
    ) -> None:
        self.clock = clock or VirtualClock()
        self.sessions = Faulty(self.clock) if sessions is None else sessions
        self.metrics = Metrics()
        self.secrets = EphemeralSecrets(b"k" * 32)
        self.bus = embedded_bus(self.clock)
        self.name = f"gateway {id(self)}"
        vad = load("vad", ["stub"], EngineContext(data_dir=None))
        limiter = SlidingWindowLimiter(clock=self.clock)
        services = SessionServices(self.bus, vad, self.clock, limiter, lambda row: None, 30.0, self.metrics)
        options = RealtimeOptions(
            session_rules(), link_limits(), Defaults(), self.name, resumes=resumes, sweep_s=1.0, heartbeat_s=10.0
        )
        self.registry = ConnectionRegistry(self.metrics, **room)
        access = Access(KEYS, self.secrets, self.clock)
        usage = SecretUsage(EmbeddedUses(self.clock))
        self.door = RealtimeDoor(access, services, self.sessions, self.metrics, options, self.registry, usage)

    @asynccontextmanager
    async def client(self, query: str = "", **headers: str) -> AsyncGenerator[Client]:
        """Connect a client; it is lost when the block ends."""
        client = Client(self.door, query, headers)
        try:
            yield client
        finally:
            client.leaves(code=1006)
            await client.serving

    async def saved(self) -> tuple[str, str, str]:
        """Begin a session and lose it; returns its id, its resume token, and a cursor."""
        async with self.client() as client:
            created = await client.event("session.created")
            client.says(text=json.dumps(BUSY))
            updated = await client.event("session.updated")
        return created["session"]["id"], created["antiphon"]["resume_token"], updated["event_id"]


@asynccontextmanager
async def running(endless: Callable[[], Any]) -> AsyncIterator[None]:
    """Run an endless task of the door."""
    task = asyncio.ensure_future(endless())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# -- admission -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("query", "headers", "status", "param"), [
    ("", {"authorization": "Bearer wrong"}, 401, None),
    ("call_id=rtc_1", {}, 400, "call_id"),
    ("model=m&call_id=rtc_1", {}, 400, "call_id"),
    ("intent=dictation", {}, 400, "intent"),
    ("session_id=sess_1&intent=x", {}, 400, "intent"),
    ("session_id=sess_1", {}, 404, None),
    ("session_id=", {}, 404, None),
    ("session_id=no%20id", {}, 404, None),
])  # fmt: skip
async def test_a_handshake_is_refused_with_an_http_response(
    query: str, headers: dict[str, str], status: int, param: str | None
) -> None:
    stage = Stage()
    told, error = await Client(stage.door, query, headers).refusal()
    assert (told, error["param"]) == (status, param)
    assert len(stage.sessions) == 0


async def test_a_new_session_needs_room_in_the_shared_store() -> None:
    stage = Stage(has_room=lambda: False)
    status, _ = await Client(stage.door, "", {}).refusal()
    assert status == 503


@pytest.mark.parametrize(("query", "kind", "model"), [
    ("", "realtime", "gpt-realtime"),
    ("model=", "realtime", "gpt-realtime"),
    ("model=a&model=b", "realtime", "a"),
    ("intent=transcription", "transcription", None),
    ("model=m&intent=transcription", "transcription", None),
    ("intent=transcription&model=&intent=transcription", "transcription", None),
    ("intent=conversation", "realtime", "gpt-realtime"),
    ("model=%22%C3%A9%00", "realtime", '"é\0'),
])  # fmt: skip
async def test_the_url_chooses_the_session(query: str, kind: str, model: str | None) -> None:
    async with Stage().client(query) as client:
        session = (await client.event("session.created"))["session"]
        assert (session["type"], session.get("model")) == (kind, model)
        other = "realtime" if kind == "transcription" else "transcription"
        client.says(text=json.dumps({"type": "session.update", "event_id": "other", "session": {"type": other}}))
        error = (await client.event("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "session.type", "other")


@pytest.mark.parametrize(("query", "model"), [
    ("intent=transcription&model=gpt-4o-transcribe", "gpt-4o-transcribe"),
    ("model=gpt-4o-transcribe&intent=transcription", "gpt-4o-transcribe"),
    ("intent=transcription&model=", "whisper-1"),
    ("intent=transcription", "whisper-1"),
])  # fmt: skip
async def test_the_model_of_a_transcription_session_transcribes(query: str, model: str) -> None:
    async with Stage().client(query) as client:
        session = (await client.event("session.created"))["session"]
        assert session["audio"]["input"]["transcription"]["model"] == model


@pytest.mark.parametrize("header", ["realtime=v1", "assistants=v2, realtime=v1"])
async def test_the_beta_interface_is_refused_with_an_error_and_close_code_4000(header: str) -> None:
    stage = Stage()
    client = Client(stage.door, "model=m", {"openai-beta": header})
    assert await client.close_code() == 4000
    assert [event["error"]["code"] for event in client.events()] == ["beta_api_shape_disabled"]
    assert len(stage.sessions) == 0


async def test_other_beta_headers_are_ignored() -> None:
    async with Stage().client(**{"openai-beta": "assistants=v2"}) as client:
        await client.event("session.created")


async def test_a_secret_that_was_made_for_another_door_is_refused_by_its_session() -> None:
    stage = Stage()
    secret = stage.secrets.issue(
        b'{"type": "translation"}', "default", 60, stage.clock.wall(), issuer="", kind="translation"
    )
    status, error = await Client(stage.door, "", {"authorization": f"Bearer {secret.value}"}).refusal()
    assert (status, error["param"]) == (400, "session")


# -- resuming --------------------------------------------------------------------------------------------------------
async def test_a_lost_session_is_resumed_behind_its_cursor() -> None:
    stage = Stage()
    session_id, _, cursor = await stage.saved()
    async with stage.client(f"session_id={session_id}&after={cursor}") as client:
        await client.event("antiphon.session.resumed")
        created, _ = client.events()
        assert created["session"]["id"] == session_id
        assert created["session"]["instructions"] == BUSY["session"]["instructions"]


async def test_another_keys_session_is_refused_as_an_unknown_one_is() -> None:
    stage = Stage()
    session_id, token, cursor = await stage.saved()
    stranger = {"authorization": f"Bearer {KEYS[1]}", "x-antiphon-resume-token": token}
    status, error = await Client(stage.door, f"session_id={session_id}", stranger).refusal()
    _, unknown = await Client(stage.door, "session_id=sess_0", {}).refusal()
    assert (status, error["code"]) == (404, "session_not_found")
    assert error["message"].replace(session_id, "sess_0") == unknown["message"]
    async with stage.client(f"session_id={session_id}&after={cursor}") as client:
        await client.event("antiphon.session.resumed")


async def test_a_cursor_of_another_session_is_refused_and_the_session_stays() -> None:
    stage = Stage()
    (session_id, _, _), (_, _, other) = await stage.saved(), await stage.saved()
    status, error = await Client(stage.door, f"session_id={session_id}&after={other}", {}).refusal()
    assert (status, error["param"]) == (400, "after")
    async with stage.client(f"session_id={session_id}") as client:
        await client.event("antiphon.session.resumed")


async def test_a_session_that_a_client_closes_is_over() -> None:
    stage = Stage()
    client = Client(stage.door, "", {})
    await client.event("session.created")
    client.leaves(code=1000)
    await client.serving
    assert len(stage.sessions) == 0


async def test_without_resumption_there_is_no_token_and_nothing_is_saved() -> None:
    stage = Stage(resumes=False)
    async with stage.client() as client:
        assert "antiphon" not in await client.event("session.created")
    assert len(stage.sessions) == 0


# -- endless tasks ---------------------------------------------------------------------------------------------------
@on_virtual_time
async def test_heartbeats_keep_an_idle_session_alive(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with running(stage.door.keep_alive), stage.client() as client:
        created = await client.event("session.created")
        await asyncio.sleep(1000)
        found = await stage.sessions.find("default", created["session"]["id"])
        assert found is not None
        assert found.status == "connected"


@on_virtual_time
async def test_a_failed_heartbeat_is_logged_and_the_session_continues(clock: VirtualClock) -> None:
    stage = Stage(clock)
    async with running(stage.door.keep_alive), stage.client() as client:
        session_id = (await client.event("session.created"))["session"]["id"]
        stage.sessions.is_away = True
        with capture_logs() as logs:
            await asyncio.sleep(11)
        assert [(log["event"], log["session_id"]) for log in logs] == [("session heartbeat failed", session_id)]
        client.says(text=json.dumps(BUSY))
        await client.event("session.updated")


@on_virtual_time
async def test_the_connection_of_a_session_that_was_resumed_elsewhere_is_closed(clock: VirtualClock) -> None:
    for task in ("watch_taken", "keep_alive"):
        stage = Stage(clock)
        elsewhere, client = Stage(clock, sessions=stage.sessions), Client(stage.door, "", {})
        async with running(getattr(stage.door, task)):
            client.says(text=json.dumps(BUSY))
            cursor = (await client.event("session.updated"))["event_id"]
            session_id = client.events()[0]["session"]["id"]
            async with elsewhere.client(f"session_id={session_id}&after={cursor}") as resumed:
                await resumed.event("antiphon.session.resumed")
                assert await client.close_code() == TAKEN_OVER


@on_virtual_time
async def test_sessions_that_are_not_resumed_in_time_are_swept(clock: VirtualClock) -> None:
    stage = Stage(clock)
    session_id, _, _ = await stage.saved()
    async with running(stage.door.sweep):
        with capture_logs() as logs:
            await asyncio.sleep(1000)
    assert len(stage.sessions) == 0
    (log,) = (log for log in logs if log["event"] == "session closed")
    assert (log["session_id"], log["reason"]) == (session_id, "not resumed in time")


@on_virtual_time
async def test_sessions_are_told_which_components_fail(clock: VirtualClock) -> None:
    stage, redis = Stage(clock), [True]
    async with running(lambda: stage.door.watch_components(lambda: {"redis": redis[0]})), stage.client() as client:
        wish = {"type": "realtime", "include": ["antiphon.degraded"]}
        client.says(text=json.dumps({"type": "session.update", "session": wish}))
        await client.event("session.updated")
        redis[0] = False
        assert (await client.event("antiphon.degraded"))["leg"] == "redis"
        redis[0] = True
        assert (await client.event("antiphon.recovered"))["leg"] == "redis"
