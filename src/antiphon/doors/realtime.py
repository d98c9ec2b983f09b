"""The realtime door: ``/v1/realtime`` as a plain ASGI app, from the handshake to the last close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog

from antiphon import ids
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.auth import Access, Credentials, Identity, subprotocol
from antiphon.doors.errors_http import error_answer
from antiphon.doors.realtime_link import Link, LinkLimits, LinkServices
from antiphon.errors import AntiphonError, InvalidRequest, Overloaded
from antiphon.observe.metrics import Metrics
from antiphon.ports.sessions import Sessions
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
SendAsgi = Callable[[dict[str, Any]], Awaitable[None]]

_log = structlog.get_logger("antiphon.gateway")
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """How the door behaves."""

    rules: Rules = field(default_factory=Rules)
    limits: LinkLimits = field(default_factory=LinkLimits)
    defaults: Defaults = field(default_factory=Defaults)
    max_connections: int = 10_000
    gateway_id: str = "gateway"


class RealtimeDoor:
    """Lets clients in and runs one `Link` for each."""

    def __init__(
        self,
        access: Access,
        services: LinkServices,
        sessions: Sessions,
        metrics: Metrics,
        options: RealtimeOptions,
    ) -> None:
        self._access = access
        self._services = services
        self._sessions = sessions
        self._metrics = metrics
        self._options = options
        self._open: set[_Connection] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: SendAsgi) -> None:
        """Serve one WebSocket."""
        try:
            identity, session, rules = self._admit(scope)
        except AntiphonError as error:
            self._metrics.error("realtime", error.type)
            await refuse(send, error)
            return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": subprotocol(scope.get("subprotocols", ()))})
        if _is_beta(scope):
            await _refuse_beta(send)
            return
        connection = _Connection(self._services, self._options, receive, send)
        self._open.add(connection)
        self._metrics.connections("realtime", 1)
        try:
            await connection.run(self._sessions, identity, session, rules)
        finally:
            self._open.discard(connection)
            self._metrics.connections("realtime", -1)

    def _admit(self, scope: Scope) -> tuple[Identity, AnySession, Rules]:
        """Decide who comes and which session it will be, before any state exists."""
        identity = self._access.admit(Credentials.of_scope(scope))
        if self._draining or len(self._open) >= self._options.max_connections:
            raise Overloaded("The server takes no new connections at the moment; try again soon.")
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"))
        if "call_id" in query:
            raise InvalidRequest("Calls over WebRTC and SIP are not available here.", param="call_id")
        rules = self._options.rules
        if query.get("pace") == ["realtime"]:
            rules = msgspec.structs.replace(rules, pace=True)
        return identity, self._session(identity.session, query), rules

    def _session(self, wish: bytes | None, query: Mapping[str, list[str]]) -> AnySession:
        """Return the session that a client begins with. Raises `InvalidRequest`."""
        update = None if wish is None else msgspec.json.decode(wish, type=AnySessionUpdate)
        model = query.get("model", [""])[0]
        return describe(
            update,
            self._options.defaults,
            now=self._services.clock.wall(),
            model=model,
            transcribes=query.get("intent") == ["transcription"] and not model,
        )

    async def drain(self, deadline_s: float) -> None:
        """Take no new connections, let answers under way end, then close with 1012 so that clients reconnect."""
        self._draining = True
        clock = self._services.clock
        until = clock.now() + deadline_s
        while self._open:
            is_late = clock.now() >= until
            for connection in list(self._open):
                if is_late or not connection.is_answering:
                    connection.hang_up(1012, "the server is going down")
            await asyncio.sleep(0.02)
            if is_late and clock.now() > until + 2:
                return


class _Connection:
    """One accepted WebSocket and its link."""

    def __init__(self, services: LinkServices, options: RealtimeOptions, receive: Receive, send: SendAsgi) -> None:
        self._services = services
        self._options = options
        self._receive = receive
        self._send = send
        self._link: Link | None = None
        self._closing: tuple[int, str] | None = None
        self._left_with = 1005
        self._reader: asyncio.Task[None] | None = None

    @property
    def is_answering(self) -> bool:
        return self._link is not None and self._link.is_answering

    async def run(self, sessions: Sessions, identity: Identity, session: AnySession, rules: Rules) -> None:
        """Serve until one side has had enough."""
        record = await sessions.claim(identity.tenant, session.id, self._options.gateway_id)
        machine = Conversation.begin(
            session,
            rules,
            seed=ids.token(12),
            now=self._services.clock.wall(),
            lasts_s=self._options.defaults.lasts_s,
        )
        log = _log.bind(session_id=session.id, tenant_id=identity.tenant)
        log.info("session opened", key_id=identity.key_id)
        try:
            async with asyncio.TaskGroup() as group:
                self._link = Link(
                    machine,
                    self._services,
                    self._options.limits,
                    group,
                    self._send_text,
                    self.hang_up,
                    tenant=identity.tenant,
                    session_id=session.id,
                    epoch=record.epoch,
                )
                await self._serve(self._link, group)
        finally:
            await sessions.end(record, resumable=False)
            log.info("session closed", code=self._closing[0] if self._closing else self._left_with)

    async def _serve(self, link: Link, group: asyncio.TaskGroup) -> None:
        try:
            link.open()
            self._reader = group.create_task(self._read(link), name="realtime reader")
            await asyncio.wait((self._reader,))
            if self._closing is not None:
                await link.flushed()
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            await link.close()

    async def _read(self, link: Link) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._left_with = int(message.get("code") or 1005)
                return
            await link.frame(message.get("text") or message.get("bytes"))

    async def _send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    def hang_up(self, code: int, reason: str) -> None:
        """Close with a code, once what is queued was sent."""
        if self._closing is None:
            self._closing = (code, reason)
            if self._reader is not None:
                self._reader.cancel()


async def refuse(send: SendAsgi, error: AntiphonError) -> None:
    """Refuse a handshake with a real HTTP answer."""
    answer = error_answer(error)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "websocket.http.response.body", "body": answer.body})


def _is_beta(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return headers.get(b"openai-beta") == b"realtime=v1" or _BETA_SUBPROTOCOL in scope.get("subprotocols", ())


async def _refuse_beta(send: SendAsgi) -> None:
    """Refuse the retired beta interface as OpenAI does: an error, then close code 4000."""
    code = "beta_api_shape_disabled"
    detail = {
        "type": "invalid_request_error",
        "code": code,
        "message": "The Realtime beta interface is retired; drop the 'OpenAI-Beta' header and use the GA events.",
        "param": None,
        "event_id": None,
    }
    event = {"type": "error", "event_id": ids.new_id("event"), "error": detail}
    await send({"type": "websocket.send", "text": msgspec.json.encode(event).decode()})
    await send({"type": "websocket.close", "code": 4000, "reason": f"invalid_request_error.{code}"})
