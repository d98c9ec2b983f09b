"""The dubbing door: numbered fragments over Socket.IO, and the same fragments back in another language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import socketio
import structlog
from msgspec import Struct
from socketio.exceptions import ConnectionRefusedError  # noqa: A004 - the library's; the built-in one carries no data

from antiphon import ids
from antiphon.clock import Clock
from antiphon.doors.access.authentication import OPEN, TENANT, Access, Credentials, Identity
from antiphon.doors.access.timeouts import Patience
from antiphon.doors.dubbing import json as dubbing_json
from antiphon.doors.dubbing.audio import with_audio
from antiphon.doors.dubbing.connection import DubbingLink
from antiphon.doors.dubbing.library_log import library_log
from antiphon.doors.dubbing.polling import Polling
from antiphon.doors.dubbing.stream_driver import StreamHome, StreamServices
from antiphon.doors.dubbing.stream_ownership import Places
from antiphon.doors.dubbing.stream_registry import StreamHomes
from antiphon.doors.dubbing.transports import MAX_MESSAGE_BYTES, Transports, WatchedServer, opened_by
from antiphon.doors.dubbing.websockets import WebSockets
from antiphon.doors.errors import error_answer
from antiphon.doors.websocket.connection import refuse
from antiphon.dubbing import inputs
from antiphon.dubbing.codes import error_event
from antiphon.dubbing.state import Rules, State
from antiphon.dubbing.stream import Stream, parse_init
from antiphon.dubbing.voices import VoiceProfile, warning
from antiphon.errors import AntiphonError, Fenced, Forbidden, InvalidRequest, Overloaded, Unauthenticated
from antiphon.jobs.client import JobClient
from antiphon.observe.dubbing_metrics import DubbingMetrics
from antiphon.observe.metrics import Metrics
from antiphon.observe.tasks import Asides
from antiphon.ports.artifacts import Artifact, Artifacts
from antiphon.text.whole import whole
from antiphon.wire.dubbing_client import (
    ErrorSimulation,
    SimulateDisconnect,
    StreamCommand,
    StreamConfig,
    StreamInit,
    parse,
)
from antiphon.wire.dubbing_server import DisconnectAck, SimulationAck

PATH = "/socket.io"
_DRAIN_STEP_S = 0.02
_FAREWELL_S = 1.0
"""How long a client that was told to go may take."""
_GREETING_S = 10.0
"""How long a transport may be no worker's."""
_TRANSPORTS = 4
"""Transports for each connection that is allowed: those that are no worker's yet, or no longer."""

_log = structlog.get_logger(__name__)


class Refusal(Exception):
    """A stream that cannot begin."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class DubbingOptions:
    """How the door behaves."""

    rules: Rules = field(default_factory=Rules)
    mode: Literal["full", "echo"] = "full"
    needs_key: bool = True
    """False lets workers in that send no key, also where other doors ask for one."""
    max_connections: int = 10
    connections_per_key: int = 10
    """Where keys are configured; workers without one count as one key together."""
    ping_interval_s: float = 25.0
    ping_timeout_s: float = 10.0
    idle_s: float = 60.0
    """A connection without a stream that sends nothing for so long is closed."""
    close_s: float = 5.0
    """Between the end of a stream and the end of its connection."""
    stall_s: float = 10.0
    """How long a client may not read before it is cut off."""
    resume_s: float = 60.0
    """How long a stream without a connection is kept."""
    handshake_s: float = 10.0
    """Longest handshake; a greeting may take no longer either."""
    polling: bool = True
    """False lets workers in by WebSocket alone."""


@dataclass(frozen=True, slots=True)
class DubbingServices:
    """What the door needs of its process."""

    access: Access
    desk: JobClient
    clock: Clock
    metrics: Metrics
    dubbing_metrics: DubbingMetrics
    judge: Callable[[StreamConfig], VoiceProfile]
    """Returns the voice of a stream. Raises `Refusal` for languages and voices that there are not."""
    places: Places
    artifacts: Artifacts


class DubbingDoor:
    """Lets workers in and runs their streams."""

    def __init__(self, services: DubbingServices, options: DubbingOptions) -> None:
        self._services = services
        self._options = options
        self._links: dict[str, DubbingLink] = {}
        self._asides = Asides("dubbing aside")
        self._homes = StreamHomes(
            self._new_home, services.places, self._asides, self._hang_up, resume_s=options.resume_s
        )
        services.dubbing_metrics.watch(lambda: len(self._links), self._homes.count)
        self._needs_key = options.needs_key and not services.access.is_open
        self._draining = False
        self._observe = services.metrics.message_observer("dubbing")
        log = library_log(services.clock)
        self._server = WatchedServer(
            async_mode="asgi",
            async_handlers=False,  # events of a connection in their order, and none while one waits
            cors_allowed_origins=[],  # pages of strangers are refused by `Access`, as at every door
            json=dubbing_json,
            serializer=dubbing_json.TextPacket,
            logger=log,  # pyright: ignore[reportArgumentType] -- takes loggers, and is annotated by its default
            # the libraries tell of each packet that is none, with its traceback
            engineio_logger=log,
            ping_interval=options.ping_interval_s,
            ping_timeout=options.ping_timeout_s,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            http_compression=False,  # audio in base64 takes the loop 100 ms a megabyte
        )
        self._transports = Transports(
            self._server,
            self._asides,
            most=_TRANSPORTS * options.max_connections,
            greeting_s=lambda: min(_GREETING_S, options.handshake_s),
            is_known=self._is_known,
        )
        app = socketio.ASGIApp(self._server, socketio_path=PATH)
        self._polling = Patience(Polling(app, self._transports))
        self._websockets = WebSockets(app, self._transports)
        for name, handler in self._handlers().items():
            self._server.on(name, handler)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request or WebSocket of Socket.IO."""
        try:
            self._check(scope)
            serve = self._websockets if scope["type"] == "websocket" else self._polling
            await serve(scope, receive, send)
        except AntiphonError as error:
            self._services.metrics.error("dubbing", error.type)
            await _refuse(scope, send, error)

    def _check(self, scope: Any) -> None:
        """Refuse what is known to be wrong before anything is read. Raises `AntiphonError`.

        Over a WebSocket the key of the Socket.IO handshake, which is still to come, counts more than one that is here.
        """
        credentials, polls = Credentials.of_scope(scope), scope["type"] == "http"
        if polls and not self._options.polling:
            raise InvalidRequest("Connect over a WebSocket: polling is turned off here.", param="transport")
        if not polls:
            credentials = replace(credentials, key="")
        if credentials.key or not self._needs_key:
            self._identify(credentials)

    def _is_known(self, scope: Any) -> bool:
        """Return whether a request came with a right key."""
        credentials = Credentials.of_scope(scope)
        try:
            return bool(credentials.key and self._identify(credentials))
        except AntiphonError:
            return False

    async def drain(self, deadline_s: float) -> None:
        """Take no fragments any more; let each connection go when its fragments are delivered, or at the deadline."""
        self._draining = True
        until = self._services.clock.now() + deadline_s
        while self._links:
            is_late = self._services.clock.now() >= until
            for link in [one for one in self._links.values() if is_late or one.is_idle]:
                await self._server.disconnect(link.sid)
            await asyncio.sleep(_DRAIN_STEP_S)
        await self._transports.end_sessions()

    async def close(self) -> None:
        """End all streams; what was delivered is kept."""
        self._homes.close()
        self._transports.close()
        await self._asides.join()

    # -- connections -------------------------------------------------------------------------------------------------
    def _handlers(self) -> dict[str, Callable[..., Any]]:
        events: dict[str, Callable[[DubbingLink, Any], None]] = {
            "stream:pause": lambda link, payload: self._command(link, inputs.Paused, payload),
            "stream:resume": lambda link, payload: self._command(link, inputs.Resumed, payload),
            "stream:end": lambda link, payload: self._command(link, inputs.Ended, payload),
        }
        if self._options.mode == "echo":
            events["config:error_simulation"] = self._simulate
            events["simulate:disconnect"] = self._simulate_disconnect
        handlers: dict[str, Callable[..., Any]] = {name: self._handler(handler) for name, handler in events.items()}
        return {
            **handlers,
            "connect": self._connect,
            "disconnect": _logged(self._disconnect),
            "stream:init": _logged(self._begin),
            "fragment:data": _logged(self._fragment),
        }

    def _handler(self, handler: Callable[[DubbingLink, Any], None]) -> Callable[..., Awaitable[None]]:
        async def handle(sid: str, *payloads: Any) -> None:
            link = self._links.get(sid)
            if link is not None:
                self._touch(link)
                handler(link, payloads[0] if payloads else None)

        return _logged(handle)

    async def _connect(self, sid: str, environ: Any = None, auth: Any = None) -> None:
        """Let a worker in. Raises `ConnectionRefusedError`."""
        if sid in self._links:  # an event of the client's that is called like this
            return
        try:
            identity = self._admit(environ["asgi.scope"], auth)
        except ConnectionRefusedError:
            self._services.dubbing_metrics.connected(accepted=False)
            raise
        transport = opened_by(environ["asgi.scope"])
        transport.greet()
        link = DubbingLink(sid, transport, identity, self._new_home(identity), self._emit, self._completed)
        self._links[sid] = link
        link.home.listen(link)
        self._touch(link)
        self._services.metrics.connections("dubbing", 1)
        self._services.dubbing_metrics.connected(accepted=True)
        _log.info(
            "worker connected",
            sid=sid,
            key_id=identity.key_id,
            stream_id=environ.get("HTTP_X_STREAM_ID", f"stream-{sid[:8]}"),
            worker_id=environ.get("HTTP_X_WORKER_ID", f"worker-{sid[:8]}"),
        )

    def _admit(self, scope: Any, auth: Any) -> Identity:
        """Return who comes. Raises `ConnectionRefusedError` for who may not, and where there is no room."""
        if self._draining or len(self._links) >= self._options.max_connections:
            raise _refused("RATE_LIMIT", "The server takes no more connections at the moment.")
        credentials = Credentials.of_scope(scope)
        token = auth.get("token") if isinstance(auth, dict) else None
        if isinstance(token, str) and token:
            credentials = replace(credentials, key=whole(token))
        try:
            identity = self._identify(credentials)
        except AntiphonError as error:
            raise _refused("AUTH_FAILED", error.message) from error
        same = sum(link.identity.account == identity.account for link in self._links.values())
        if not self._services.access.is_open and same >= self._options.connections_per_key:
            raise _refused("RATE_LIMIT", f"This key has {same} connections already.")
        return identity

    def _identify(self, credentials: Credentials) -> Identity:
        """Return who comes: whoever sends a key has to send a right one, also where none is needed.

        Raises `AntiphonError` for who may not.
        """
        if not (credentials.key or self._needs_key or self._services.access.is_open):
            self._services.access.check_page(credentials)
            return Identity(TENANT, OPEN)
        identity = self._services.access.admit(credentials)
        if identity.is_ephemeral:
            raise Forbidden("This client secret opens realtime sessions only.")
        return identity

    async def _disconnect(self, sid: str, *_: Any) -> None:
        if self._server.manager.is_connected(sid, "/"):  # an event of the client's that is called like this
            self._hang_up(sid)
            return
        link = self._links.pop(sid, None)
        if link is None:
            return
        link.close()
        self._transports.leave(link.transport)
        self._services.metrics.connections("dubbing", -1)
        self._services.metrics.request("dubbing", "done")
        self._homes.leave(link, keep=not self._draining)
        _log.info("worker disconnected", sid=sid)

    async def _emit(self, sid: str, name: str, payload: Struct) -> None:
        """Send one event and return when it has left."""
        try:
            await self._server.emit(name, payload, to=sid)
        except Exception:  # noqa: BLE001 - the outermost place: without this event the worker would wait for ever
            _log.exception("an event could not be sent", sid=sid)
            self._hang_up(sid)
        socket = self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, "/"))
        if socket is None:
            return
        try:
            async with asyncio.timeout(self._options.stall_s):
                await socket.queue.join()
        except TimeoutError:
            _log.warning("worker does not read", sid=sid)
            self._hang_up(sid)

    def _touch(self, link: DubbingLink) -> None:
        """Begin to count anew until an idle connection is closed."""
        if not link.home.machine.stream_id:
            self._close_after(link, self._options.idle_s)

    def _completed(self, link: DubbingLink) -> None:
        self._close_after(link, self._options.close_s)

    def _close_after(self, link: DubbingLink, wait_s: float) -> None:
        if link.closes is not None:
            link.closes.cancel()
        link.closes = asyncio.get_running_loop().call_later(wait_s, self._hang_up, link.sid)

    def _hang_up(self, sid: str) -> None:
        """End a connection, if need be without its consent."""
        self._asides.do(self._end(sid))

    async def _end(self, sid: str) -> None:
        link = self._links.get(sid)
        await self._server.disconnect(sid)
        if link is not None:
            await asyncio.sleep(_FAREWELL_S)
            await self._transports.end(link.transport)

    # -- events ------------------------------------------------------------------------------------------------------
    async def _begin(self, sid: str, *payloads: Any) -> None:
        link = self._links.get(sid)
        if link is None:
            return
        self._touch(link)
        wish = self._wish(link, payloads[0] if payloads else None)
        if wish is None:
            return
        init, profile = wish
        key = (link.identity.account, init.stream_id)
        try:
            expected = await self._homes.take(key)
        except Fenced:  # it begins at another gateway at the same time
            self._hang_up(sid)
            return
        except Overloaded as error:
            self._refuse(link, "RATE_LIMIT", error.message)
            return
        if sid in self._links:
            self._homes.join(link, init, profile, expected)
        else:
            await self._homes.give_back(key)

    def _wish(self, link: DubbingLink, payload: Any) -> tuple[StreamInit, VoiceProfile] | None:
        """Return a stream that may begin, and its voice, or answer why not."""
        try:
            init = parse_init(payload)
            profile = self._services.judge(init.config)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
        except Refusal as refusal:
            self._refuse(link, refusal.code, refusal.message, param=refusal.param)
        else:
            if (told := warning(profile, init.config.target_language)) is not None:
                _log.warning("a voice of another language", stream_id=init.stream_id, reason=told)
            if not link.home.machine.in_flight:
                return init, profile
            self._refuse(link, "INVALID_CONFIG", "A stream cannot begin anew while fragments are in flight.")
        return None

    def _new_home(self, identity: Identity) -> StreamHome:
        services = self._services
        machine = Stream(State(seed=ids.token(12)), self._options.rules)
        needs = StreamServices(
            services.desk,
            services.clock,
            services.dubbing_metrics,
            services.places,
            identity.account,
            self._keep,
            shows_id=services.access.is_open,
        )
        return StreamHome(machine, needs)

    def _keep(self, artifact: Artifact) -> None:
        self._asides.do(self._services.artifacts.put(artifact))

    def _command(
        self, link: DubbingLink, kind: type[inputs.Paused | inputs.Resumed | inputs.Ended], payload: Any
    ) -> None:
        try:
            command = parse(payload, StreamCommand)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
        else:
            link.home.tell(kind(command))

    async def _fragment(self, sid: str, *payloads: Any) -> None:
        link = self._links.get(sid)
        if link is None or self._draining:  # it was not acknowledged: it is sent again, to another gateway
            return
        begin = time.perf_counter()
        self._touch(link)
        await link.room()
        payload = await with_audio(payloads[0] if payloads else None, link.transport.taken)
        if self._links.get(sid) is not link:  # it has gone meanwhile
            return
        link.home.offer(payload)
        self._observe(time.perf_counter() - begin)

    def _simulate(self, link: DubbingLink, payload: Any) -> None:
        try:
            simulation = parse(payload, ErrorSimulation)
        except InvalidRequest as error:
            rejected = SimulationAck(
                status="rejected", rules_count=0, message=error.message, error_message=error.message
            )
            link.send("config:error_simulation:ack", rejected)
        else:
            link.home.tell(inputs.Simulated(simulation))

    def _simulate_disconnect(self, link: DubbingLink, payload: Any) -> None:
        try:
            wish = parse(payload or {}, SimulateDisconnect)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
            return
        at_ms = int(self._services.clock.wall() * 1000) + wish.delay_ms
        message = f"The connection ends in {wish.delay_ms} ms."
        link.send("simulate:disconnect:ack", DisconnectAck(status="scheduled", disconnect_at_ms=at_ms, message=message))
        asyncio.get_running_loop().call_later(wish.delay_ms / 1000, self._hang_up, link.sid)

    def _refuse(self, link: DubbingLink, code: str, message: str, **details: Any) -> None:
        self._services.metrics.error("dubbing", "invalid_request_error")
        link.home.refuse(error_event(code, message, ids.new_id("err"), link.home.machine.stream_id, **details))


def _logged(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return a handler whose own faults are logged, and end nothing."""

    async def handle(*arguments: Any) -> None:
        try:
            await handler(*arguments)
        except Exception:  # noqa: BLE001 - the outermost place: a fault here must not end other streams
            _log.exception("a dubbing event failed unexpectedly")

    return handle


def _refused(code: str, message: str) -> ConnectionRefusedError:
    """Return the error that a client hears in place of its connection."""
    return ConnectionRefusedError(message, error_event(code, message, ids.new_id("err")))


async def _refuse(scope: Any, send: Any, error: AntiphonError) -> None:
    if scope["type"] == "websocket":
        await refuse(send, error)
        return
    if isinstance(error, Unauthenticated | Forbidden):  # clients hand the body on as what the refusal says
        told = _refused("AUTH_FAILED", error.message)
        answer = error_answer(error, **told.error_args)
    else:
        answer = error_answer(error)
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})
