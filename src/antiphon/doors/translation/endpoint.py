"""The translation door, ``/v1/realtime/translations``: speech in, translated speech out."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from urllib.parse import parse_qs

import msgspec

from antiphon import ids
from antiphon.doors.access.authentication import Access, Credentials, Identity, subprotocol
from antiphon.doors.access.rate_limits import charge_request
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.translation.session import TranslationConnection, TranslationSessionOptions
from antiphon.doors.websocket.connection import refuse
from antiphon.doors.websocket.intent import intent_of
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_history import SessionHistory
from antiphon.doors.websocket.session_options import SessionServices
from antiphon.errors import AntiphonError, InvalidRequest
from antiphon.observe.metrics import Metrics
from antiphon.translation_session.machine import DEFAULT_LANGUAGE, TranslationMachine, merge
from antiphon.translation_session.state import State
from antiphon.wire.translation import (
    TranslationAudio,
    TranslationOutput,
    TranslationSession,
    TranslationSessionRequest,
)

DEFAULT_MODEL = "gpt-realtime-translate"


class TranslationDoor:
    """Admits clients and runs a `TranslationConnection` for each."""

    def __init__(
        self,
        access: Access,
        services: SessionServices,
        metrics: Metrics,
        options: TranslationSessionOptions,
        connections: ConnectionRegistry,
        usage: SecretUsage,
    ) -> None:
        self._access = access
        self._services = services
        self._metrics = metrics
        self._options = options
        self._connections = connections
        self._usage = usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        with ExitStack() as held:
            try:
                identity = self._access.admit(Credentials.of_scope(scope))
                held.enter_context(self._connections.place(identity.account))
                self._connections.check_room()
                session = self._session(identity, scope)
                charge_request(self._services.limiter, identity.account, self._metrics)
                await self._usage.spend(identity, session.id)
            except AntiphonError as error:
                self._metrics.error("realtime", error.type)
                await refuse(send, error)
                return
            await self._serve(identity, session, scope, receive, send)

    async def _serve(
        self, identity: Identity, session: TranslationSession, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": subprotocol(scope.get("subprotocols", ()))})
        machine = TranslationMachine(
            State(seed=ids.token(12), session=session, job_timeout_s=self._options.job_timeout_s)
        )
        history = SessionHistory(
            self._services.record,
            self._services.clock,
            "translation",
            tenant=identity.tenant,
            session_id=session.id,
            key_id=identity.key_id,
        )
        with (
            self._connections.connect(scope, receive, send) as connection,
            self._usage.hold(identity, session.id, connection),
        ):

            def link(group: asyncio.TaskGroup) -> TranslationConnection:
                return TranslationConnection(
                    machine, self._services, self._options, group, connection, tenant=identity.tenant
                )

            history.opened(session.model, msgspec.json.encode(session))
            try:
                await connection.run(link, session_id=session.id, tenant=identity.tenant, key_id=identity.key_id)
            finally:
                config = msgspec.json.encode(machine.state.session)
                history.ended(session.model, config, resumable=False)

    def _session(self, identity: Identity, scope: Scope) -> TranslationSession:
        """Return the initial session of a client. Raises `InvalidRequest`."""
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        intent_of(query, "translation")
        model = query.get("model", [""])[0] or DEFAULT_MODEL
        audio = TranslationAudio(output=TranslationOutput(language=DEFAULT_LANGUAGE))
        if identity.session is not None:
            try:
                bound = msgspec.json.decode(identity.session, type=TranslationSessionRequest)
            except msgspec.ValidationError as error:
                raise InvalidRequest("This client secret was not made for translation.", param="session") from error
            model, audio = bound.model, merge(audio, bound.audio)
        return TranslationSession(
            id=ids.new_id("sess"),
            model=model,
            expires_at=int(self._services.clock.wall() + self._options.lasts_s),
            audio=audio,
        )
