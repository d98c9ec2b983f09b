"""The Realtime client against a scripted server: what it sends, and how it resumes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pybase64
import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from antiphon.client import Session, SessionLost, TakenOver, UnknownEvent, connect
from antiphon.conversation.session import Defaults, describe
from antiphon.wire.realtime_server import (
    TAKEN_OVER,
    Error,
    InputAudioBufferCleared,
    SessionCreated,
    SessionResumed,
    SessionUpdated,
)
from tests.fakes.loopback import redirecting

SESSION = {**msgspec.to_builtins(describe(None, Defaults(), now=0.0)), "id": "sess_1"}
Script = Callable[["Call"], Awaitable[None]]


class Call:
    """One connection of the client, as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers = socket.request.headers
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(socket.request.path).query).items()}
        self._socket = socket

    async def tell(self, kind: str, number: int, **fields: Any) -> None:
        """Send an event."""
        await self._socket.send(json.dumps({"type": kind, "event_id": f"event_{number}", **fields}))

    async def greet(self, session: dict[str, Any] = SESSION) -> None:
        await self.tell("session.created", 1, session=session, antiphon={"resume_token": "token"})

    async def hear(self, count: int) -> list[Any]:
        """Receive so many events: ids of events, and the bytes of audio."""
        events = [json.loads(await self._socket.recv()) for _ in range(count)]
        return [pybase64.b64decode(e["audio"]) if "audio" in e else e["event_id"] for e in events]

    async def resumed(
        self,
        number: int,
        *,
        audio_ms: int = 0,
        client_event_id: str | None = None,
        session: dict[str, Any] = SESSION,
    ) -> None:
        """Greet a client that resumes, and tell it which events the server has processed."""
        await self.greet(session)
        fields = {"session_id": "sess_1", "audio_start_ms": audio_ms, "client_event_id": client_event_id}
        await self.tell("antiphon.session.resumed", number, **fields)

    def cut(self) -> None:
        self._socket.transport.abort()

    async def close(self, code: int) -> None:
        await self._socket.close(code)


class Server:
    """Serves each connection by the next of its scripts; without one it refuses with ``status``."""

    def __init__(self, *scripts: Script, status: int = 404) -> None:
        self.scripts = list(scripts)
        self.calls: list[Call] = []
        self.attempts = 0
        self.url = ""
        self._status = status

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts += 1
        return None if self.scripts else connection.respond(HTTPStatus(self._status), "")

    async def serve(self, socket: ServerConnection) -> None:
        call = Call(socket)
        self.calls.append(call)
        await self.scripts.pop(0)(call)
        await socket.wait_closed()


@asynccontextmanager
async def serving(*scripts: Script, status: int = 404) -> AsyncGenerator[Server]:
    server = Server(*scripts, status=status)
    async with asyncio.timeout(30), serve(server.serve, "127.0.0.1", 0, process_request=server.refuse) as socket:
        server.url = f"http://127.0.0.1:{next(iter(socket.sockets)).getsockname()[1]}"
        yield server


async def greet(call: Call) -> None:
    await call.greet()


async def greet_and_cut(call: Call) -> None:
    await call.greet()
    call.cut()


# -- sending and receiving -------------------------------------------------------------------------------------------
async def test_events_are_sent_with_ids_of_their_own_and_audio_as_it_is() -> None:
    heard: list[Any] = []

    async def script(call: Call) -> None:
        await call.greet()
        heard.extend(await call.hear(4))
        await call.tell("input_audio_buffer.cleared", 2)

    async with serving(script) as server, connect(server.url, api_key="key", model="m") as session:
        sent = [await session.say("hello"), await session.commit()]
        await session.append(b"abcd")
        sent.append(await session.respond(instructions="Be brief."))
        await session.until(InputAudioBufferCleared)
    assert heard == [sent[0], sent[1], b"abcd", sent[2]]
    assert len(set(sent)) == 3
    assert server.calls[0].headers["Authorization"] == "Bearer key"
    assert server.calls[0].query == {"model": "m"}


async def test_an_event_of_an_unknown_type_is_handed_on_as_it_is() -> None:
    async def script(call: Call) -> None:
        await call.greet()
        await call.tell("new.event", 2, field=[1])

    async with serving(script) as server, connect(server.url) as session:
        created, unknown = [await anext(session), await anext(session)]
    assert isinstance(created, SessionCreated)
    assert session.id == "sess_1"
    assert unknown == UnknownEvent("new.event", {"type": "new.event", "event_id": "event_2", "field": [1]})


async def test_a_wrong_field_of_an_update_is_refused_before_it_is_sent() -> None:
    async with serving(greet) as server, connect(server.url) as session:
        with pytest.raises(msgspec.ValidationError):
            await session.update(instructions=1)
        assert await session.update(instructions="Be brief.") == "c0000001"


@pytest.mark.parametrize("scheme", ["http", "ws"])
@pytest.mark.parametrize("path", ["", "/", "/v1/realtime"])
async def test_any_form_of_the_address_is_accepted(scheme: str, path: str) -> None:
    async with serving(greet) as server, connect(server.url.replace("http", scheme) + path) as session:
        assert isinstance(await anext(session), SessionCreated)


async def test_the_former_name_of_the_timeout_warns() -> None:
    async with serving(greet) as server:
        with pytest.warns(DeprecationWarning, match="reconnect_timeout_s"):
            async with connect(server.url, patience_s=1.0):
                pass


# -- the end ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [1000, 1001, 1008])
async def test_a_session_that_the_server_ends_is_over(code: int) -> None:
    async def script(call: Call) -> None:
        await call.greet()
        await call.close(code)

    async with serving(script) as server, connect(server.url) as session:
        assert len([event async for event in session]) == 1
        for _ in range(2):
            with pytest.raises(SessionLost, match="over"):
                await session.say("hello")
        assert server.attempts == 1


async def test_a_session_that_ends_before_an_event_comes_is_lost() -> None:
    async def script(call: Call) -> None:
        await call.greet()
        await call.close(1000)

    async with serving(script) as server, connect(server.url) as session:
        with pytest.raises(SessionLost, match="before Error"):
            await session.until(Error)


async def test_a_session_that_was_resumed_by_another_connection_is_taken_over() -> None:
    async def script(call: Call) -> None:
        await call.greet()
        await call.close(TAKEN_OVER)

    async with serving(script) as server, connect(server.url) as session:
        await anext(session)
        with pytest.raises(TakenOver):
            await anext(session)
        assert server.attempts == 1


async def test_a_connection_that_is_lost_before_its_session_began_is_not_resumed() -> None:
    async def script(call: Call) -> None:
        call.cut()

    async with serving(script) as server, connect(server.url) as session:
        assert [event async for event in session] == []
        assert server.attempts == 1


async def test_a_refused_handshake_fails_the_connect() -> None:
    async with serving(status=401) as server:
        with pytest.raises(websockets.InvalidStatus):
            async with connect(server.url):
                pass


# -- resuming --------------------------------------------------------------------------------------------------------
async def test_a_lost_session_is_resumed_with_its_cursor_and_token_at_the_next_gateway() -> None:
    async def first(call: Call) -> None:
        await call.greet()
        await call.tell("input_audio_buffer.cleared", 7)
        call.cut()

    async def second(call: Call) -> None:
        await call.resumed(9)

    async with serving(first) as one, serving(second) as other, connect(one.url, other.url, api_key="key") as session:
        kinds = [type(await anext(session)) for _ in range(3)]
    assert kinds == [SessionCreated, InputAudioBufferCleared, SessionResumed]
    assert session.resumptions == 1
    (call,) = other.calls
    assert call.query == {"session_id": "sess_1", "after": "event_7"}
    assert (call.headers["Authorization"], call.headers["X-Antiphon-Resume-Token"]) == ("Bearer key", "token")


@pytest.mark.parametrize(("form", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcmu", 8)])
async def test_unprocessed_events_and_audio_are_sent_again_in_order(form: str, bytes_per_ms: int) -> None:
    changed = deepcopy(SESSION)
    changed["audio"]["input"]["format"] = {"type": form}
    pieces = [bytes([number]) * 10 * bytes_per_ms for number in range(3)]
    heard: list[Any] = []

    async def first(call: Call) -> None:
        await call.greet()
        await call.tell("session.updated", 2, session=changed)
        await call.hear(5)
        call.cut()

    async def second(call: Call) -> None:
        await call.resumed(3, audio_ms=15, client_event_id="c0000001", session=changed)
        heard.extend(await call.hear(3))
        await call.tell("input_audio_buffer.cleared", 4)

    async with serving(first, second) as server, connect(server.url) as session:
        await session.until(SessionUpdated)
        await session.append(pieces[0])
        await session.commit()
        await session.append(pieces[1])
        await session.clear()
        await session.append(pieces[2])
        await session.until(InputAudioBufferCleared)
    assert heard == [pieces[1][5 * bytes_per_ms :], "c0000002", pieces[2]]


async def test_events_of_the_time_without_a_connection_are_sent_when_it_is_resumed() -> None:
    heard: list[Any] = []
    said = asyncio.Event()

    async def second(call: Call) -> None:
        await said.wait()
        await call.resumed(2)
        heard.extend(await call.hear(2))
        await call.tell("input_audio_buffer.cleared", 3)

    async with serving(greet_and_cut, second) as server, connect(server.url) as session:
        await anext(session)
        waiting = asyncio.ensure_future(session.until(InputAudioBufferCleared))
        while not session.resumptions:
            await asyncio.sleep(0.001)
        sent = [await session.say("hello"), await session.respond()]
        said.set()
        await waiting
    assert heard == sent


async def test_a_connection_that_is_lost_while_events_are_sent_again_is_resumed_once_more() -> None:
    heard: list[Any] = []

    async def first(call: Call) -> None:
        await call.greet()
        await call.hear(2)
        call.cut()

    async def second(call: Call) -> None:
        await call.resumed(2)
        call.cut()

    async def third(call: Call) -> None:
        await call.resumed(3, client_event_id="c0000001")
        heard.extend(await call.hear(1))
        await call.tell("input_audio_buffer.cleared", 4)

    async with serving(first, second, third) as server, connect(server.url) as session:
        await anext(session)
        await session.commit()
        await session.clear()
        await session.until(InputAudioBufferCleared)
    assert heard == ["c0000002"]
    assert session.resumptions == 2


async def resume_of(session: Session) -> str:
    """Lose the session, and return why it could not be resumed."""
    await anext(session)
    with pytest.raises(SessionLost) as lost:
        await anext(session)
    return str(lost.value)


async def test_a_session_that_no_gateway_knows_is_lost_at_once() -> None:
    async with serving(greet_and_cut, status=404) as server, connect(server.url) as session:
        assert "404" in await resume_of(session)
        assert server.attempts == 2


async def test_without_a_gateway_the_session_is_lost_after_the_timeout() -> None:
    async with serving(greet_and_cut, status=503) as server:
        async with connect(server.url, reconnect_timeout_s=0.05) as session:
            assert "no gateway could be reached for 0.05 s" in await resume_of(session)
        assert server.attempts > 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with (
        serving(greet_and_cut) as server,
        redirecting(status) as (front, led),
        connect(server.url, front) as session,
    ):
        assert str(status) in await resume_of(session)
    assert led == []


async def test_the_former_name_of_the_reconnect_timeout_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="reconnect_timeout_s"), pytest.raises(ConnectionError):
        async with connect("ws://127.0.0.1:9", patience_s=0.1):
            pass
