"""The realtime door: ``/v1/realtime`` as a plain ASGI app, from the handshake to the last close."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import msgspec
import structlog

from antiphon import ids
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.doors.auth import Access, Credentials, Identity, subprotocol
from antiphon.doors.connection import Attendance, Connection, Receive, Scope, SendAsgi, refuse
from antiphon.doors.realtime_link import Link, LinkLimits, LinkServices
from antiphon.errors import AntiphonError, Fenced, InvalidRequest, ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.ports.sessions import SessionRecord, Sessions
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate

TAKEN_OVER = 4409
"""Close code of a connection whose session another one has taken up."""
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"

_log = structlog.get_logger("antiphon.gateway")


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """How the door behaves."""

    rules: Rules = field(default_factory=Rules)
    limits: LinkLimits = field(default_factory=LinkLimits)
    defaults: Defaults = field(default_factory=Defaults)
    gateway_id: str = "gateway"
    heartbeat_s: float = 10.0
    """Between two signs of life of the sessions; a third of what they live without one is right."""


class RealtimeDoor:
    """Lets clients in and runs one `Link` for each."""

    def __init__(
        self,
        access: Access,
        services: LinkServices,
        sessions: Sessions,
        metrics: Metrics,
        options: RealtimeOptions,
        attendance: Attendance,
    ) -> None:
        self._access = access
        self._services = services
        self._sessions = sessions
        self._metrics = metrics
        self._options = options
        self._attendance = attendance
        self._owned: dict[Connection, SessionRecord] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: SendAsgi) -> None:
        """Serve one WebSocket."""
        try:
            identity, session, rules = self._admit(scope)
            record = await self._sessions.claim(identity.tenant, session.id, self._options.gateway_id)
        except AntiphonError as error:
            self._metrics.error("realtime", error.type)
            await refuse(send, error)
            return
        try:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": subprotocol(scope.get("subprotocols", ()))})
            if _is_beta(scope):
                await _refuse_beta(send)
                return
            with self._attendance.connect(scope, receive, send) as connection:
                self._owned[connection] = record
                try:
                    await self._run(connection, identity, session, rules, record.epoch)
                finally:
                    record = self._owned.pop(connection)
        finally:
            await self._let_go(record)

    async def keep_alive(self) -> None:
        """Give a sign of life for every session, endlessly; a session that another gateway has taken over is left."""
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            for connection, record in list(self._owned.items()):
                try:
                    await self._sessions.heartbeat(record)
                except Fenced:
                    await self._take_back(connection, record)
                except ProviderUnavailable as error:  # those that are open go on
                    _log.warning("no sign of life could be given", session_id=record.session_id, error=str(error))

    async def _take_back(self, connection: Connection, record: SessionRecord) -> None:
        """Leave a session to the gateway that has it now; one that ran out while Redis was away is ours again."""
        try:
            if await self._sessions.find(record.tenant, record.session_id) is not None:
                connection.hang_up(TAKEN_OVER, "the session was taken up elsewhere")
            elif connection in self._owned:
                claimed = await self._sessions.claim(record.tenant, record.session_id, record.gateway_id)
                if connection in self._owned:
                    self._owned[connection] = claimed
                else:  # it has ended meanwhile
                    await self._let_go(claimed)
        except ProviderUnavailable as error:
            _log.warning("a session could not be taken back", session_id=record.session_id, error=str(error))

    async def _let_go(self, record: SessionRecord) -> None:
        try:
            await self._sessions.end(record, resumable=False)
        except ProviderUnavailable as error:  # it runs out by itself
            _log.warning("a session could not be ended", session_id=record.session_id, error=str(error))

    async def _run(
        self, connection: Connection, identity: Identity, session: AnySession, rules: Rules, epoch: int
    ) -> None:
        clock = self._services.clock
        machine = Conversation.begin(
            session, rules, seed=ids.token(12), now=clock.wall(), lasts_s=self._options.defaults.lasts_s
        )

        def link(group: asyncio.TaskGroup) -> Link:
            return Link(
                machine,
                self._services,
                self._options.limits,
                group,
                connection,
                tenant=identity.tenant,
                session_id=session.id,
                epoch=epoch,
            )

        await connection.run(link, session_id=session.id, tenant=identity.tenant, key_id=identity.key_id)

    def _admit(self, scope: Scope) -> tuple[Identity, AnySession, Rules]:
        """Decide who comes and which session it will be, before any state exists."""
        identity = self._access.admit(Credentials.of_scope(scope))
        self._attendance.admit()
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"))
        if "call_id" in query:
            raise InvalidRequest("Calls over WebRTC and SIP are not available here.", param="call_id")
        rules = self._options.rules
        if query.get("pace") == ["realtime"]:
            rules = msgspec.structs.replace(rules, pace=True)
        return identity, self._session(identity.session, query), rules

    def _session(self, wish: bytes | None, query: Mapping[str, list[str]]) -> AnySession:
        """Return the session that a client begins with. Raises `InvalidRequest`."""
        try:
            update = None if wish is None else msgspec.json.decode(wish, type=AnySessionUpdate)
        except msgspec.ValidationError as error:
            raise InvalidRequest("This client secret was not made for conversations.", param="session") from error
        model = query.get("model", [""])[0]
        return describe(
            update,
            self._options.defaults,
            now=self._services.clock.wall(),
            model=model,
            transcribes=query.get("intent") == ["transcription"] and not model,
        )


def _is_beta(scope: Scope) -> bool:
    asked = [value.decode("latin-1") for name, value in scope["headers"] if name == b"openai-beta"]
    features = {feature.strip() for value in asked for feature in value.split(",")}
    return "realtime=v1" in features or _BETA_SUBPROTOCOL in scope.get("subprotocols", ())


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
