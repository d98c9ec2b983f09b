"""The translation door without a socket: who is let in, with which session, and what a refusal looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import OPEN, TENANT, Access, key_id
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.translation.endpoint import TranslationDoor
from antiphon.doors.translation.session import TranslationSessionOptions
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.entities.history import Unit
from antiphon.observe.metrics import Metrics
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.ports.limiter import Account
from antiphon.providers.hosting.instant_vad import InstantVoiceActivity
from antiphon.providers.stub.vad import Threshold
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.wire.secrets import NO_BOUNDS, SessionSecretBounds
from tests.options import embedded_bus, link_limits

KEY = "sk-translation-of-these-tests"
LASTS_S = 600.0
SECRETS = EphemeralSecrets(b"a secret key of the tests that is long")
WITHIN_S = 20.0


class Stage:
    """The door, and everything behind it but workers."""

    def __init__(self, *keys: str, requests: int = 0, most: int = 10, has_room: bool = True) -> None:
        self.clock = VirtualClock()
        self.bus = embedded_bus(self.clock)
        self.metrics = Metrics()
        self.units: list[Unit] = []
        services = SessionServices(
            self.bus,
            InstantVoiceActivity("stub", Threshold),
            self.clock,
            SlidingWindowLimiter(requests=requests, clock=self.clock),
            self.units.append,
            30.0,
            self.metrics,
        )
        self.connections = ConnectionRegistry(self.metrics, most=most, has_room=lambda: has_room)
        self.door = TranslationDoor(
            Access(keys, SECRETS, self.clock),
            services,
            self.metrics,
            TranslationSessionOptions(link_limits(), max_buffer_s=60, lasts_s=LASTS_S, job_timeout_s=35),
            self.connections,
            SecretUsage(EmbeddedUses(self.clock)),
        )

    def secret(self, session: bytes, kind: str = "translation", bounds: SessionSecretBounds = NO_BOUNDS) -> str:
        return SECRETS.issue(session, TENANT, 60, self.clock.wall(), issuer=key_id(KEY), kind=kind, bounds=bounds).value


class Client:
    """A WebSocket client of an ASGI application."""

    def __init__(self, door: TranslationDoor, query: str, key: str, subprotocols: tuple[str, ...]) -> None:
        self._door = door
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/v1/realtime/translations",
            "query_string": query.encode(),
            "headers": [(b"host", b"127.0.0.1"), *([(b"authorization", f"Bearer {key}".encode())] if key else [])],
            "subprotocols": list(subprotocols),
        }
        self._to_door: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_door: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_door.put_nowait({"type": "websocket.connect"})
        self.serving = asyncio.create_task(door(self._scope, self._to_door.get, self._note), name="translation door")

    async def _note(self, message: Any) -> None:
        self._from_door.put_nowait(message)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            return await self._from_door.get()

    async def greeted(self) -> dict[str, Any]:
        """Return the session that the first event shows."""
        accepted = await self.next()
        assert accepted["type"] == "websocket.accept", accepted
        event = json.loads((await self.next())["text"])
        assert event["type"] == "session.created"
        return event["session"]

    async def refused(self) -> tuple[int, dict[str, Any]]:
        start, body = await self.next(), await self.next()
        await self.serving
        return start["status"], json.loads(body["body"])["error"]

    async def leave(self) -> None:
        self._to_door.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(WITHIN_S):
            await self.serving


@asynccontextmanager
async def client(
    stage: Stage, query: str = "", *, key: str = "", subprotocols: tuple[str, ...] = ()
) -> AsyncIterator[Client]:
    one = Client(stage.door, query, key, subprotocols)
    try:
        yield one
    finally:
        await one.leave()


@pytest.mark.parametrize(("query", "model"), [
    ("", "gpt-realtime-translate"),
    ("model=", "gpt-realtime-translate"),
    ("model=mine", "mine"),
    ("intent=translation&model=mine", "mine"),
])  # fmt: skip
async def test_a_session_begins_with_the_model_of_its_address(query: str, model: str) -> None:
    stage = Stage()
    async with client(stage, query) as one:
        session = await one.greeted()
    assert (session["type"], session["model"]) == ("translation", model)
    assert session["audio"]["output"]["language"] == "es"
    assert session["expires_at"] == int(stage.clock.wall() + LASTS_S)
    assert session["id"].startswith("sess_")


async def test_a_secret_brings_its_session_and_the_address_does_not_change_it() -> None:
    stage = Stage(KEY)
    bound = b'{"model":"bound","audio":{"output":{"language":"fr"}},"type":"translation"}'
    async with client(stage, "model=other", key=stage.secret(bound)) as one:
        session = await one.greeted()
    assert (session["model"], session["audio"]["output"]["language"]) == ("bound", "fr")


async def test_a_secret_without_a_language_has_the_default_one() -> None:
    stage = Stage(KEY)
    async with client(stage, key=stage.secret(b'{"model":"bound"}')) as one:
        assert (await one.greeted())["audio"]["output"]["language"] == "es"


@pytest.mark.parametrize(("offered", "selected"), [
    ((), None), (("realtime", "openai-insecure-api-key.x"), "realtime"), (("other",), None),
])  # fmt: skip
async def test_the_handshake_selects_a_subprotocol_that_holds_no_key(
    offered: tuple[str, ...], selected: str | None
) -> None:
    async with client(Stage(), subprotocols=offered) as one:
        assert (await one.next())["subprotocol"] == selected


@pytest.mark.parametrize(("query", "key", "status", "code", "param"), [
    ("", "", 401, "missing_api_key", None),
    ("", "sk-wrong", 401, "invalid_api_key", None),
    ("intent=transcription", KEY, 400, "invalid_value", "intent"),
    ("intent=translation&intent=realtime", KEY, 400, "invalid_value", "intent"),
])  # fmt: skip
async def test_a_refusal_is_a_http_answer_and_counted(
    query: str, key: str, status: int, code: str, param: str | None
) -> None:
    stage = Stage(KEY)
    async with client(stage, query, key=key) as one:
        told, error = await one.refused()
    assert (told, error["code"], error["param"]) == (status, code, param)
    labels = {"area": "realtime", "type": error["type"]}
    assert stage.metrics.registry.get_sample_value("errors_total", labels) == 1


async def test_a_secret_for_conversations_is_refused_by_the_field() -> None:
    stage = Stage(KEY)
    async with client(stage, key=stage.secret(b'{"type":"realtime"}', "realtime")) as one:
        status, error = await one.refused()
    assert (status, error["param"]) == (400, "session")


async def test_a_session_is_charged_as_one_request_and_a_refused_one_is_not() -> None:
    stage = Stage(KEY, requests=1)
    async with client(stage, "intent=nonsense", key=KEY) as one:
        assert (await one.refused())[0] == 400
    async with client(stage, key=KEY) as one:
        await one.greeted()
    async with client(stage, key=KEY) as one:
        status, error = await one.refused()
    assert (status, error["code"]) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize("bounds", [{"most": 0}, {"has_room": False}])
async def test_a_server_without_room_refuses_for_now(bounds: dict[str, Any]) -> None:
    async with client(Stage(**bounds)) as one:
        status, error = await one.refused()
    assert (status, error["type"]) == (503, "overloaded_error")


async def test_a_place_is_free_again_when_its_client_has_left_or_was_refused() -> None:
    stage = Stage(most=1)
    for query in ("", "intent=nonsense", ""):
        async with client(stage, query) as one:
            await (one.refused() if "intent" in query else one.greeted())
    with stage.connections.place(Account(TENANT, OPEN)):
        pass


async def test_a_secret_is_spent_by_a_session_and_not_by_a_refusal() -> None:
    stage = Stage(KEY)
    secret = stage.secret(b'{"model":"m"}', bounds=SessionSecretBounds(uses=1))
    async with client(stage, "intent=nonsense", key=secret) as one:
        assert (await one.refused())[0] == 400
    async with client(stage, key=secret) as one:
        await one.greeted()
    async with client(stage, key=secret) as one:
        status, error = await one.refused()
    assert (status, error["code"]) == (401, "used_secret")


async def test_a_session_is_recorded_when_it_opens_and_when_it_ends() -> None:
    stage = Stage(KEY)
    async with client(stage, "model=mine", key=KEY) as one:
        session_id = (await one.greeted())["id"]
        stage.clock.advance(3)
    opened, ended = [row for unit in stage.units for row in unit.sessions]
    assert (opened.session_id, opened.kind, opened.status, opened.model) == (
        *(session_id, "translation", "connected"),
        "mine",
    )
    assert (opened.key_id, opened.closed_at) == (key_id(KEY), None)
    assert json.loads(opened.config)["id"] == session_id
    assert (ended.session_id, ended.status, ended.closed_at) == (session_id, "disconnected", stage.clock.wall())
    assert ended.created_at == opened.created_at
    assert ended.revision > opened.revision
    assert [(used.metric, used.amount) for unit in stage.units for used in unit.usage] == [("connection_s", 3.0)]


async def test_a_refused_session_is_not_recorded() -> None:
    stage = Stage(KEY)
    async with client(stage, "intent=nonsense", key=KEY) as one:
        await one.refused()
    assert stage.units == []
