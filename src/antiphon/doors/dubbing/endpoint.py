"""The dubbing door: takes numbered audio fragments over Socket.IO and returns them dubbed."""

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
"""Timeout of the close handshake."""
_CONNECT_TIMEOUT_S = 10.0
"""Longest time of a transport without a connected client."""
_TRANSPORTS = 4
"""Transports per allowed connection: some have no connected client yet, or no longer."""

_log = structlog.get_logger(__name__)


class DubbingDoor:
    """Accepts connections and runs their streams."""

    def __init__(self, services: DubbingServices, options: DubbingOptions) -> None:
        self._services = services
        self._options = options
        self._connections: dict[str, DubbingConnection] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._background = TrackedTasks("dubbing task")
        needs = StreamServices(
            services.job_client,
            services.clock,
            services.dubbing_metrics,
            self._keep,
            services.record,
            shows_id=services.access.is_open,
        )
        self._streams = StreamRegistry(
            needs, options.rules, services.ownership, self._background, resume_s=options.resume_s
        )
        services.dubbing_metrics.watch(lambda: len(self._connections), self._streams.count)
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
            connect_timeout_s=lambda: min(_CONNECT_TIMEOUT_S, options.handshake_s),
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
        """Refuse new fragments, and disconnect each client when its fragments are delivered, or at the deadline."""
        self._draining = True
        for connection in list(self._connections.values()):
            self._idle(connection)
        if not await self._emptied(deadline_s):
            for sid in list(self._connections):
                await self._server.disconnect(sid)
            await self._emptied(_CLOSE_TIMEOUT_S)
        await self._transports.end_sessions()

    async def _emptied(self, within_s: float) -> bool:
        """Return True as soon as there is no connection, False after ``within_s``."""
        try:
            async with asyncio.timeout(within_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True

    def _idle(self, connection: DubbingConnection) -> None:
        """Disconnect an idle client during a drain."""
        if self._draining and connection.is_idle:
            self._background.do(self._server.disconnect(connection.sid))

    async def run(self) -> None:
        """Renew the leases of streams, endlessly."""
        await self._streams.run()

    async def close(self) -> None:
        """End all streams, and finish storing artifacts."""
        self._streams.close()
        self._transports.close()
        await self._background.join()

    # -- connections -------------------------------------------------------------------------------------------------
    def _handlers(self) -> dict[str, Callable[..., Any]]:
        events: dict[str, Callable[[DubbingConnection, Any], None]] = {
            "stream:pause": lambda connection, payload: self._command(connection, inputs.Paused, payload),
            "stream:resume": lambda connection, payload: self._command(connection, inputs.Resumed, payload),
            "stream:end": lambda connection, payload: self._command(connection, inputs.Ended, payload),
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
            connection = self._connections.get(sid)
            if connection is not None:
                self._touch(connection)
                handler(connection, payloads[0] if payloads else None)

        return _logged(handle)

    async def _connect(self, sid: str, environ: Any = None, auth: Any = None) -> None:
        """Accept a connection. Raises `ConnectionRefusedError`."""
        if sid in self._connections:  # a client event of this name
            return
        try:
            identity = self._admit(environ["asgi.scope"], auth)
        except ConnectionRefusedError:
            self._services.dubbing_metrics.connected(accepted=False)
            raise
        transport = opened_by(environ["asgi.scope"])
        transport.connect()
        connection = DubbingConnection(sid, transport, identity, self._emit, self._completed, self._idle, self._hang_up)
        self._connections[sid] = connection
        self._is_empty.clear()
        self._touch(connection)
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
        """Authenticate a client. Raises `ConnectionRefusedError` for invalid keys and at the limits of connections."""
        if self._draining or len(self._connections) >= self._options.max_connections:
            raise refused("RATE_LIMIT", "The server accepts no more connections at the moment.")
        try:
            identity = self._admission.caller(scope, auth)
        except AntiphonError as error:
            raise refused("AUTH_FAILED", error.message) from error
        same = sum(connection.identity.account == identity.account for connection in self._connections.values())
        if not self._services.access.is_open and same >= self._options.connections_per_key:
            raise refused("RATE_LIMIT", f"This key has {same} connections already.")
        return identity

    async def _disconnect(self, sid: str, *_: Any) -> None:
        if self._server.manager.is_connected(sid, "/"):  # a client event of this name
            self._hang_up(sid)
            return
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        if not self._connections:
            self._is_empty.set()
        connection.close()
        self._transports.disconnect(connection.transport)
        self._services.metrics.connections("dubbing", -1)
        self._services.metrics.request("dubbing", "done")
        self._streams.detach(connection, keep=not self._draining)
        _log.info("worker disconnected", sid=sid)

    async def _emit(self, sid: str, name: str, payload: Struct) -> None:
        """Send one event and return when it was written."""
        try:
            await self._server.emit(name, payload, to=sid)
        except Exception:  # noqa: BLE001 - the outermost place: without this event the client would wait for ever
            _log.exception("dubbing event could not be sent", sid=sid)
            self._hang_up(sid)
        socket = self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, "/"))
        if socket is None:
            return
        try:
            async with asyncio.timeout(self._options.stall_s):
                await socket.queue.join()
        except TimeoutError:
            _log.warning("worker stopped reading", sid=sid)
            self._hang_up(sid)

    def _touch(self, connection: DubbingConnection) -> None:
        """Restart the idle timeout of a connection without a stream."""
        if connection.stream is None:
            self._close_after(connection, self._options.idle_s)

    def _completed(self, connection: DubbingConnection) -> None:
        self._close_after(connection, self._options.close_s)

    def _close_after(self, connection: DubbingConnection, wait_s: float) -> None:
        if connection.closes is not None:
            connection.closes.cancel()
        connection.closes = asyncio.get_running_loop().call_later(wait_s, self._hang_up, connection.sid)

    def _hang_up(self, sid: str) -> None:
        """Disconnect a client; abort its transport if it does not answer."""
        self._background.do(self._end(sid))

    async def _end(self, sid: str) -> None:
        connection = self._connections.get(sid)
        await self._server.disconnect(sid)
        if connection is not None:
            await asyncio.sleep(_CLOSE_TIMEOUT_S)
            await self._transports.end(connection.transport)

    # -- events ------------------------------------------------------------------------------------------------------
    async def _begin(self, sid: str, *payloads: Any) -> None:
        connection = self._connections.get(sid)
        if connection is None:
            return
        self._touch(connection)
        wish = self._checked_init(connection, payloads[0] if payloads else None)
        if wish is None:
            return
        init, profile = wish
        try:
            stream = await self._streams.open((connection.identity.account, init.stream_id))
        except Fenced:  # another gateway begins it at the same time
            self._hang_up(sid)
            return
        except Overloaded as error:
            self._refuse(connection, "RATE_LIMIT", error.message)
            return
        if sid in self._connections and self._may_begin(connection, stream):
            self._streams.attach(connection, stream)
            stream.begin(init, profile)
        else:
            self._streams.abandon(stream)

    def _may_begin(self, connection: DubbingConnection, stream: StreamDriver) -> bool:
        """Charge a new stream as a request, or answer that the limit is reached."""
        try:
            if stream.is_new:
                charge_request(self._services.limiter, connection.identity.account, self._services.metrics)
        except RateLimited as error:
            self._refuse(connection, "RATE_LIMIT", error.message)
            return False
        return True

    def _checked_init(self, connection: DubbingConnection, payload: Any) -> tuple[StreamInit, VoiceProfile] | None:
        """Return the parameters and the voice of a stream, or answer with an error."""
        try:
            init = parse_init(payload)
            profile = self._services.judge(init.config)
        except InvalidRequest as error:
            self._refuse(connection, "INVALID_CONFIG", error.message, param=error.param)
        except DubbingRefusal as refusal:
            self._refuse(connection, refusal.code, refusal.message, param=refusal.param)
        else:
            if (told := warning(profile, init.config.target_language)) is not None:
                _log.warning("voice of another language", stream_id=init.stream_id, reason=told)
            if connection.stream is None or not connection.stream.machine.in_flight:
                return init, profile
            self._refuse(connection, "INVALID_CONFIG", "A stream cannot begin again while fragments are in flight.")
        return None

    def _keep(self, artifact: Artifact) -> None:
        self._background.do(self._services.artifacts.put(artifact))

    def _command(
        self, connection: DubbingConnection, kind: type[inputs.Paused | inputs.Resumed | inputs.Ended], payload: Any
    ) -> None:
        try:
            command = parse(payload, StreamCommand)
        except InvalidRequest as error:
            self._refuse(connection, "INVALID_CONFIG", error.message, param=error.param)
        else:
            self._tell(connection, kind(command), command.stream_id)

    async def _fragment(self, sid: str, *payloads: Any) -> None:
        connection = self._connections.get(sid)
        if connection is None or self._draining:  # not acknowledged: the client sends it again
            return
        begin = time.perf_counter()
        self._touch(connection)
        await connection.room()
        payload = await with_audio(payloads[0] if payloads else None, connection.transport.taken)
        if self._connections.get(sid) is not connection:  # closed meanwhile
            return
        if connection.stream is not None:
            connection.stream.offer(payload)
        else:
            about = payload if isinstance(payload, dict) else {}
            self._send_error(connection, no_stream(about.get("stream_id"), about.get("fragment_id")))
        self._observe(time.perf_counter() - begin)

    def _simulate(self, connection: DubbingConnection, payload: Any) -> None:
        try:
            simulation = parse(payload, ErrorSimulation)
        except InvalidRequest as error:
            rejected = SimulationAck(
                status="rejected", rules_count=0, message=error.message, error_message=error.message
            )
            connection.send("config:error_simulation:ack", rejected)
        else:
            self._tell(connection, inputs.Simulated(simulation))

    def _simulate_disconnect(self, connection: DubbingConnection, payload: Any) -> None:
        try:
            wish = parse(payload or {}, SimulateDisconnect)
        except InvalidRequest as error:
            self._refuse(connection, "INVALID_CONFIG", error.message, param=error.param)
            return
        at_ms = int(self._services.clock.wall() * 1000) + wish.delay_ms
        message = f"The connection ends in {wish.delay_ms} ms."
        connection.send(
            "simulate:disconnect:ack", DisconnectAck(status="scheduled", disconnect_at_ms=at_ms, message=message)
        )
        asyncio.get_running_loop().call_later(wish.delay_ms / 1000, self._hang_up, connection.sid)

    def _tell(self, connection: DubbingConnection, event: inputs.Input, stream_id: str | None = None) -> None:
        """Pass an input to the connection's stream, or answer that it has none; ``stream_id`` is the client's."""
        if connection.stream is not None:
            connection.stream.tell(event)
        else:
            self._send_error(connection, no_stream(stream_id, None))

    def _refuse(self, connection: DubbingConnection, code: str, message: str, **details: Any) -> None:
        self._services.metrics.error("dubbing", "invalid_request_error")
        stream_id = connection.stream.machine.stream_id if connection.stream else ""
        self._send_error(connection, error_event(code, message, ids.new_id("err"), stream_id, **details))

    def _send_error(self, connection: DubbingConnection, error: DubbingError) -> None:
        if connection.stream is not None:
            connection.stream.refuse(error)
        else:
            self._services.dubbing_metrics.refused("", error.code)
            connection.send("error", error)


def _logged(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return a handler that logs unexpected exceptions."""

    async def handle(*arguments: Any) -> None:
        try:
            await handler(*arguments)
        except Exception:  # noqa: BLE001 - the outermost place: a fault here must not end other streams
            _log.exception("dubbing event failed unexpectedly")

    return handle
