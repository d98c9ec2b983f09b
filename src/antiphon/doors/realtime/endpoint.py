"""The realtime door: ``/v1/realtime`` as a plain ASGI app."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
import structlog

from antiphon import ids
from antiphon.conversation import snapshot
from antiphon.conversation.machine import Conversation
from antiphon.conversation.resume import number_of, speakers
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules, State
from antiphon.doors.access.authentication import Access, Credentials, Identity, subprotocol
from antiphon.doors.access.rate_limits import charge_request
from antiphon.doors.access.resume_tokens import may_resume, new_token, no_session, owner_of, sent_token
from antiphon.doors.realtime.checkpoint import LOST, SessionLease
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.doors.realtime.resume import Resumption
from antiphon.doors.realtime.session import RealtimeConnection
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.websocket.connection import Connection, refuse
from antiphon.doors.websocket.intent import intent_of
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_history import SessionHistory, closed_event, ended_session, session_event
from antiphon.doors.websocket.session_options import SessionLimits, SessionServices
from antiphon.entities.events import ANALYTICS
from antiphon.entities.history import SessionStatus, StoredSession, Unit
from antiphon.errors import AntiphonError, Fenced, InvalidRequest, NotFound, ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.ports.sessions import EndedSession, Sessions
from antiphon.text.quoting import quoted
from antiphon.wire.realtime_server import Component
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate, RealtimeSession, TranscriptionSession

_SESSION_ID = re.compile("sess_[0-9A-Za-z]{1,64}", re.ASCII)
_HEARTBEATS_AT_ONCE = 32
_CHECK_S = 0.5
"""Between two checks of the components that all sessions share."""
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """Configuration of the door."""

    rules: Rules
    limits: SessionLimits
    defaults: Defaults
    gateway_id: str
    resumes: bool
    """True saves sessions, so that they can be resumed after a lost connection."""
    sweep_s: float
    """Between two searches for sessions that were not resumed in time."""
    heartbeat_s: float
    """Between two heartbeats of the sessions; a third of their liveness is right."""


@dataclass(frozen=True, slots=True)
class _Guest:
    """An admitted client and its session."""

    identity: Identity
    lease: SessionLease
    machine: Conversation
    resumption: Resumption | None = None


class RealtimeDoor:
    """Admits clients and runs one `RealtimeConnection` for each."""

    def __init__(
        self,
        access: Access,
        services: SessionServices,
        sessions: Sessions,
        metrics: Metrics,
        options: RealtimeOptions,
        connections: ConnectionRegistry,
        usage: SecretUsage,
    ) -> None:
        self._access = access
        self._services = services
        self._sessions = sessions
        self._metrics = metrics
        self._options = options
        self._connections = connections
        self._usage = usage
        self._leases: dict[Connection, SessionLease] = {}
        self._running: dict[Connection, RealtimeConnection] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        with ExitStack() as held:
            try:
                guest = await self._admit(scope, held)
            except AntiphonError as error:
                self._metrics.error("realtime", error.type)
                await refuse(send, error)
                return
            await self._serve(guest, scope, receive, send)

    async def _serve(self, guest: _Guest, scope: Scope, receive: Receive, send: Send) -> None:
        may_return = guest.resumption is not None  # until it continues, its saved state is unchanged
        record = guest.lease.record
        try:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": subprotocol(scope.get("subprotocols", ()))})
            if _is_beta(scope):
                await _refuse_beta(send)
                return
            with (
                self._connections.connect(scope, receive, send) as connection,
                self._usage.hold(guest.identity, record.session_id, connection),
            ):
                self._leases[connection] = guest.lease
                history = SessionHistory(
                    self._services.record,
                    self._services.clock,
                    "realtime",
                    tenant=record.tenant,
                    session_id=record.session_id,
                    key_id=record.owner.id,
                    epoch=record.epoch,
                    conversation_id=ids.conversation_id(record.owner.seed),
                )
                history.opened(*_described(guest.machine.state), is_new=guest.resumption is None)
                try:
                    await self._run(connection, guest, history)
                finally:
                    del self._leases[connection]
                    guest.lease.is_over = True
                    self._running.pop(connection, None)
                    may_return = connection.may_return
                    described = _described(guest.machine.state)
                    epoch, events = guest.lease.record.epoch, guest.machine.state.events[ANALYTICS]
                    history.ended(*described, resumable=may_return, epoch=epoch, events=events)
        finally:
            await guest.lease.end(resumable=may_return)

    async def keep_alive(self) -> None:
        """Send heartbeats for all sessions, endlessly; hang up on a session that another gateway has taken over."""
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            slots = asyncio.Semaphore(_HEARTBEATS_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for connection, lease in list(self._leases.items()):
                    group.create_task(self._heartbeat(connection, lease, slots), name="session heartbeat")

    async def _heartbeat(self, connection: Connection, lease: SessionLease, slots: asyncio.Semaphore) -> None:
        async with slots:
            record = lease.record
            try:
                try:
                    await self._sessions.heartbeat(record)
                except Fenced:
                    if not await lease.take_back(record.epoch):
                        connection.hang_up(*LOST)
            except ProviderUnavailable as error:  # open sessions continue
                _log.warning("session heartbeat failed", session_id=record.session_id, error=str(error))

    async def watch_components(self, checks: Callable[[], Mapping[Component, bool]]) -> None:
        """Tell all conversations, endlessly, when a shared component fails or recovers."""
        while True:
            await asyncio.sleep(_CHECK_S)
            found = checks()
            for session in list(self._running.values()):
                session.see(found)

    async def watch_taken(self) -> None:
        """Hang up, endlessly, on connections whose session was resumed by another one."""
        async for taken in self._sessions.taken(self._options.gateway_id):
            for connection, lease in list(self._leases.items()):
                record = lease.record
                is_this = (record.tenant, record.session_id) == (taken.tenant, taken.session_id)
                if is_this and record.epoch < taken.epoch:
                    connection.hang_up(*LOST)

    async def sweep(self) -> None:
        """Cancel, endlessly, the jobs and drop the pipes of sessions that were not resumed in time."""
        while True:
            await asyncio.sleep(self._options.sweep_s)
            try:
                async for expired in self._sessions.expired():
                    await self._clean_up(expired, "expired", "not resumed in time")
            except ProviderUnavailable as error:
                _log.warning("expired session sweep failed", error=str(error))

    async def stop(self, tenant: str, session_id: str) -> StoredSession | None:
        """End a session, connected here, elsewhere or nowhere, and return its row; None if it is over or unknown.

        Raises `ProviderUnavailable`.
        """
        ended = await self._sessions.stop(tenant, session_id) if _SESSION_ID.fullmatch(session_id) else None
        if ended is None:
            return None
        return await self._clean_up(ended, "disconnected", "ended by the API")

    async def close(self) -> None:
        """Record the end of the sessions that end with this process."""
        async for ended in self._sessions.leave():
            await self._clean_up(ended, "disconnected", "the server has ended")

    async def _clean_up(self, ended: EndedSession, status: SessionStatus, reason: str) -> StoredSession:
        jobs = RealtimeJobs(self._services.bus, self._services.clock, ended.tenant, ended.session_id, timeout_s=0)
        running: Collection[str] = ()
        model, config, number = "", b"", 0
        if ended.snapshot:
            try:
                state = snapshot.load_frame(ended.snapshot)
            except msgspec.ValidationError as error:  # another version saved it: its jobs time out
                _log.warning("saved session is unreadable", session_id=ended.session_id, error=repr(error))
            else:
                running = state.jobs
                jobs.adopt(speakers(state))
                model, config = _described(state)
                number = state.events[ANALYTICS] + 1
        await jobs.close(running)
        now = self._services.clock.wall()
        row = ended_session(ended, status, now, "realtime", model=model, config=config)
        closed = session_event(ended.tenant, ended.session_id, closed_event(row), number, now)
        self._services.record(Unit(sessions=(row,), events=(closed,)))
        _log.info("session closed", session_id=ended.session_id, tenant_id=ended.tenant, reason=reason)
        return row

    async def _run(self, connection: Connection, guest: _Guest, history: SessionHistory) -> None:
        record, identity = guest.lease.record, guest.identity

        def open_session(group: asyncio.TaskGroup) -> RealtimeConnection:
            made = self._running[connection] = RealtimeConnection(
                guest.machine,
                self._services,
                self._options.limits,
                group,
                connection,
                account=identity.account,
                history=history,
                lease=guest.lease if self._options.resumes else None,
                resumption=guest.resumption,
            )
            return made

        await connection.run(open_session, session_id=record.session_id, tenant=identity.tenant, key_id=identity.key_id)

    async def _admit(self, scope: Scope, held: ExitStack) -> _Guest:
        """Authenticate a client and create or resume its session; ``held`` releases its place in the registry."""
        identity = self._access.admit(Credentials.of_scope(scope))
        held.enter_context(self._connections.place(identity.account))
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        if "call_id" in query:
            raise InvalidRequest("Calls over WebRTC and SIP are not available here.", param="call_id")
        intent = intent_of(query, "conversation", "transcription")
        if "session_id" in query:
            token = sent_token(scope["headers"], query)
            after = query.get("after", [""])[0]
            return await self._resume(identity, query["session_id"][0], token, after)
        self._connections.check_room()
        session, rules = self._begin(identity, query, transcribes=intent == "transcription")
        if isinstance(session, TranscriptionSession):  # other sessions are charged for each answer
            charge_request(self._services.limiter, identity.account, self._metrics)
        await self._usage.spend(identity, session.id)
        token, seed = new_token() if self._options.resumes else "", ids.token(12)
        owner = owner_of(identity, str(session.__struct_config__.tag), token, seed)
        record = await self._sessions.claim(identity.tenant, session.id, self._options.gateway_id, owner)
        machine = Conversation.begin(
            session,
            rules,
            seed=seed,
            now=self._services.clock.wall(),
            lasts_s=self._options.defaults.lasts_s,
            resume_token=token,
            locked=identity.locked,
        )
        return _Guest(identity, SessionLease(self._sessions, record), machine)

    async def _resume(self, identity: Identity, session_id: str, token: str, after: str) -> _Guest:
        """Resume a session. Raises `NotFound`, or `InvalidRequest` for a wrong cursor.

        A client that may not resume it changes nothing and gets the answer for an unknown session: its owner is
        checked first, and must be unchanged when the session is claimed.
        """
        if _SESSION_ID.fullmatch(session_id) is None:
            raise NotFound("There is no session with this id to resume.", code="session_not_found")
        found = await self._sessions.find(identity.tenant, session_id)
        if found is None or not may_resume(identity, found.owner, token):
            raise no_session(session_id)
        number = number_of(after, found.owner.seed) if after else None
        if after and number is None and found.owner.seed:
            raise InvalidRequest(f"{quoted(after)} is no event id of session '{session_id}'.", param="after")
        record, saved = await self._sessions.resume(identity.tenant, session_id, self._options.gateway_id, found.owner)
        lease = SessionLease(self._sessions, record)
        try:
            state = snapshot.join(saved.snapshot, saved.items)
        except (msgspec.ValidationError, KeyError) as error:
            _log.warning("saved session is unreadable", session_id=session_id, error=repr(error))
            await lease.end(resumable=False)
            raise no_session(session_id) from error
        if not found.owner.seed:  # a gateway of the former release began it
            number = number_of(after, state.seed)
        state.locked = tuple(sorted({*state.locked, *identity.locked}))
        return _Guest(identity, lease, Conversation(state), Resumption(saved, number))

    def _begin(
        self, identity: Identity, query: Mapping[str, list[str]], *, transcribes: bool
    ) -> tuple[AnySession, Rules]:
        """Return a new session and its rules. Raises `InvalidRequest`."""
        rules = self._options.rules
        if query.get("pace") == ["realtime"]:
            rules = msgspec.structs.replace(rules, pace=True)
        model = query.get("model", [""])[0]
        return self._session(identity.session, model, transcribes=transcribes), rules

    def _session(self, wish: bytes | None, model: str, *, transcribes: bool) -> AnySession:
        """Return the initial session of a client. Raises `InvalidRequest`."""
        try:
            update = None if wish is None else msgspec.json.decode(wish, type=AnySessionUpdate)
        except msgspec.ValidationError as error:
            raise InvalidRequest("This client secret was not made for conversations.", param="session") from error
        now = self._services.clock.wall()
        return describe(update, self._options.defaults, now=now, model=model, transcribes=transcribes)


def _described(state: State) -> tuple[str, bytes]:
    """Return the model and the whole configuration (JSON) of a session."""
    session = state.session
    return session.model if isinstance(session, RealtimeSession) else "", msgspec.json.encode(session)


def _is_beta(scope: Scope) -> bool:
    asked = [value.decode("latin-1") for name, value in scope["headers"] if name == b"openai-beta"]
    features = {feature.strip() for value in asked for feature in value.split(",")}
    return "realtime=v1" in features or _BETA_SUBPROTOCOL in scope.get("subprotocols", ())


async def _refuse_beta(send: Send) -> None:
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
