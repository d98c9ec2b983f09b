"""The dubbing door: numbered fragments over Socket.IO, and the same fragments back in another language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
import structlog
from msgspec import Struct
from socketio.exceptions import ConnectionRefusedError  # noqa: A004 - the library's; the built-in one carries no data

from antiphon import ids
from antiphon.doors.access.authentication import Identity
from antiphon.doors.access.rate_limits import charge_request
from antiphon.doors.access.timeouts import TimeoutMiddleware
from antiphon.doors.dubbing.admission import Admission
from antiphon.doors.dubbing.audio import with_audio
from antiphon.doors.dubbing.connection import DubbingConnection
from antiphon.doors.dubbing.driver import StreamDriver, StreamServices
from antiphon.doors.dubbing.options import DubbingOptions, DubbingRefusal, DubbingServices
from antiphon.doors.dubbing.polling import Polling
from antiphon.doors.dubbing.refusals import answer_error, no_stream, refused
from antiphon.doors.dubbing.registry import StreamRegistry
from antiphon.doors.dubbing.socketio import PATH, socketio_server
from antiphon.doors.dubbing.transports import Transports, opened_by
from antiphon.doors.dubbing.websockets import WebSockets
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.dubbing import inputs
from antiphon.dubbing.error_events import error_event
from antiphon.dubbing.stream import parse_init
from antiphon.dubbing.voices import VoiceProfile, warning
from antiphon.errors import AntiphonError, Fenced, InvalidRequest, Overloaded, RateLimited
from antiphon.observe.tasks import TrackedTasks
from antiphon.ports.artifacts import Artifact
from antiphon.wire.dubbing_client import ErrorSimulation, SimulateDisconnect, StreamCommand, StreamInit, parse
from antiphon.wire.dubbing_server import DisconnectAck, DubbingError, SimulationAck

_CLOSE_TIMEOUT_S = 1.0
"""How long a client that was told to go may take."""
_GREETING_S = 10.0
"""How long a transport may be no worker's."""
_TRANSPORTS = 4
"""Transports for each connection that is allowed: those that are no worker's yet, or no longer."""

_log = structlog.get_logger(__name__)


class DubbingDoor:
    """Lets workers in and runs their streams."""

    def __init__(self, services: DubbingServices, options: DubbingOptions) -> None:
        self._services = services
        self._options = options
        self._links: dict[str, DubbingConnection] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._background = TrackedTasks("dubbing aside")
        needs = StreamServices(
            services.job_client, services.clock, services.dubbing_metrics, self._keep, shows_id=services.access.is_open
        )
        self._streams = StreamRegistry(
            needs, options.rules, services.ownership, self._background, resume_s=options.resume_s
        )
        services.dubbing_metrics.watch(lambda: len(self._links), self._streams.count)
        self._admission = Admission(services.access, needs_key=options.needs_key, polling=options.polling)
        self._draining = False
        self._observe = services.metrics.message_observer("dubbing")
        self._server = socketio_server(
            services.clock, ping_interval_s=options.ping_interval_s, ping_timeout_s=options.ping_timeout_s
        )
        self._transports = Transports(
            self._server,
            self._background,
            most=_TRANSPORTS * options.max_connections,
            greeting_s=lambda: min(_GREETING_S, options.handshake_s),
            is_known=self._admission.is_known,
        )
        app = socketio.ASGIApp(self._server, socketio_path=PATH)
        self._polling = TimeoutMiddleware(Polling(app, self._transports))
        self._websockets = WebSockets(app, self._transports)
        for name, handler in self._handlers().items():
            self._server.on(name, handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket of Socket.IO."""
        try:
            self._admission.check(scope)
            serve = self._websockets if scope["type"] == "websocket" else self._polling
            await serve(scope, receive, send)
        except AntiphonError as error:
            self._services.metrics.error("dubbing", error.type)
            await answer_error(scope, send, error)

    async def drain(self, deadline_s: float) -> None:
        """Take no fragments any more; let each connection go when its fragments are delivered, or at the deadline."""
        self._draining = True
        for link in list(self._links.values()):
            self._idle(link)
        if not await self._emptied(deadline_s):
            for sid in list(self._links):
                await self._server.disconnect(sid)
            await self._emptied(_CLOSE_TIMEOUT_S)
        await self._transports.end_sessions()

    async def _emptied(self, within_s: float) -> bool:
        """Return True as soon as there is no connection, False when that takes longer than it may."""
        try:
            async with asyncio.timeout(within_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True

    def _idle(self, link: DubbingConnection) -> None:
        """A connection has nothing under way: during a drain it goes."""
        if self._draining and link.is_idle:
            self._background.do(self._server.disconnect(link.sid))

    async def run(self) -> None:
        """Keep streams this gateway's, endlessly."""
        await self._streams.run()

    async def close(self) -> None:
        """End all streams; what was delivered is kept."""
        self._streams.close()
        self._transports.close()
        await self._background.join()

    # -- connections -------------------------------------------------------------------------------------------------
    def _handlers(self) -> dict[str, Callable[..., Any]]:
        events: dict[str, Callable[[DubbingConnection, Any], None]] = {
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

    def _handler(self, handler: Callable[[DubbingConnection, Any], None]) -> Callable[..., Awaitable[None]]:
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
        link = DubbingConnection(sid, transport, identity, self._emit, self._completed, self._idle, self._hang_up)
        self._links[sid] = link
        self._is_empty.clear()
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

    def _admit(self, scope: Scope, auth: Any) -> Identity:
        """Return who comes. Raises `ConnectionRefusedError` for who may not, and where there is no room."""
        if self._draining or len(self._links) >= self._options.max_connections:
            raise refused("RATE_LIMIT", "The server takes no more connections at the moment.")
        try:
            identity = self._admission.caller(scope, auth)
        except AntiphonError as error:
            raise refused("AUTH_FAILED", error.message) from error
        same = sum(link.identity.account == identity.account for link in self._links.values())
        if not self._services.access.is_open and same >= self._options.connections_per_key:
            raise refused("RATE_LIMIT", f"This key has {same} connections already.")
        return identity

    async def _disconnect(self, sid: str, *_: Any) -> None:
        if self._server.manager.is_connected(sid, "/"):  # an event of the client's that is called like this
            self._hang_up(sid)
            return
        link = self._links.pop(sid, None)
        if link is None:
            return
        if not self._links:
            self._is_empty.set()
        link.close()
        self._transports.leave(link.transport)
        self._services.metrics.connections("dubbing", -1)
        self._services.metrics.request("dubbing", "done")
        self._streams.detach(link, keep=not self._draining)
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

    def _touch(self, link: DubbingConnection) -> None:
        """Begin to count anew until an idle connection is closed."""
        if link.stream is None:
            self._close_after(link, self._options.idle_s)

    def _completed(self, link: DubbingConnection) -> None:
        self._close_after(link, self._options.close_s)

    def _close_after(self, link: DubbingConnection, wait_s: float) -> None:
        if link.closes is not None:
            link.closes.cancel()
        link.closes = asyncio.get_running_loop().call_later(wait_s, self._hang_up, link.sid)

    def _hang_up(self, sid: str) -> None:
        """End a connection, if need be without its consent."""
        self._background.do(self._end(sid))

    async def _end(self, sid: str) -> None:
        link = self._links.get(sid)
        await self._server.disconnect(sid)
        if link is not None:
            await asyncio.sleep(_CLOSE_TIMEOUT_S)
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
        try:
            stream = await self._streams.open((link.identity.account, init.stream_id))
        except Fenced:  # it begins at another gateway at the same time
            self._hang_up(sid)
            return
        except Overloaded as error:
            self._refuse(link, "RATE_LIMIT", error.message)
            return
        if sid in self._links and self._may_begin(link, stream):
            self._streams.attach(link, stream)
            stream.begin(init, profile)
        else:
            self._streams.abandon(stream)

    def _may_begin(self, link: DubbingConnection, stream: StreamDriver) -> bool:
        """Charge a new stream as a request, or answer that the limit is reached."""
        try:
            if stream.is_new:
                charge_request(self._services.limiter, link.identity.account, self._services.metrics)
        except RateLimited as error:
            self._refuse(link, "RATE_LIMIT", error.message)
            return False
        return True

    def _wish(self, link: DubbingConnection, payload: Any) -> tuple[StreamInit, VoiceProfile] | None:
        """Return a stream that may begin, and its voice, or answer why not."""
        try:
            init = parse_init(payload)
            profile = self._services.judge(init.config)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
        except DubbingRefusal as refusal:
            self._refuse(link, refusal.code, refusal.message, param=refusal.param)
        else:
            if (told := warning(profile, init.config.target_language)) is not None:
                _log.warning("a voice of another language", stream_id=init.stream_id, reason=told)
            if link.stream is None or not link.stream.machine.in_flight:
                return init, profile
            self._refuse(link, "INVALID_CONFIG", "A stream cannot begin anew while fragments are in flight.")
        return None

    def _keep(self, artifact: Artifact) -> None:
        self._background.do(self._services.artifacts.put(artifact))

    def _command(
        self, link: DubbingConnection, kind: type[inputs.Paused | inputs.Resumed | inputs.Ended], payload: Any
    ) -> None:
        try:
            command = parse(payload, StreamCommand)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
        else:
            self._tell(link, kind(command), command.stream_id)

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
        if link.stream is not None:
            link.stream.offer(payload)
        else:
            about = payload if isinstance(payload, dict) else {}
            self._send_error(link, no_stream(about.get("stream_id"), about.get("fragment_id")))
        self._observe(time.perf_counter() - begin)

    def _simulate(self, link: DubbingConnection, payload: Any) -> None:
        try:
            simulation = parse(payload, ErrorSimulation)
        except InvalidRequest as error:
            rejected = SimulationAck(
                status="rejected", rules_count=0, message=error.message, error_message=error.message
            )
            link.send("config:error_simulation:ack", rejected)
        else:
            self._tell(link, inputs.Simulated(simulation))

    def _simulate_disconnect(self, link: DubbingConnection, payload: Any) -> None:
        try:
            wish = parse(payload or {}, SimulateDisconnect)
        except InvalidRequest as error:
            self._refuse(link, "INVALID_CONFIG", error.message, param=error.param)
            return
        at_ms = int(self._services.clock.wall() * 1000) + wish.delay_ms
        message = f"The connection ends in {wish.delay_ms} ms."
        link.send("simulate:disconnect:ack", DisconnectAck(status="scheduled", disconnect_at_ms=at_ms, message=message))
        asyncio.get_running_loop().call_later(wish.delay_ms / 1000, self._hang_up, link.sid)

    def _tell(self, link: DubbingConnection, event: inputs.Input, stream_id: str | None = None) -> None:
        """Tell the stream of a connection, or answer that it has none; the id is the one that the client named."""
        if link.stream is not None:
            link.stream.tell(event)
        else:
            self._send_error(link, no_stream(stream_id, None))

    def _refuse(self, link: DubbingConnection, code: str, message: str, **details: Any) -> None:
        self._services.metrics.error("dubbing", "invalid_request_error")
        stream_id = link.stream.machine.stream_id if link.stream else ""
        self._send_error(link, error_event(code, message, ids.new_id("err"), stream_id, **details))

    def _send_error(self, link: DubbingConnection, error: DubbingError) -> None:
        if link.stream is not None:
            link.stream.refuse(error)
        else:
            self._services.dubbing_metrics.refused("", error.code)
            link.send("error", error)


def _logged(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return a handler whose own faults are logged, and end nothing."""

    async def handle(*arguments: Any) -> None:
        try:
            await handler(*arguments)
        except Exception:  # noqa: BLE001 - the outermost place: a fault here must not end other streams
            _log.exception("a dubbing event failed unexpectedly")

    return handle
