"""The HTTP server: uvicorn in the event loop of the process, without its signal handlers."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

import uvicorn
import websockets.http11

from antiphon.doors.server.asgi import AsgiApp
from antiphon.doors.server.exchange import HEADER_LINE_BYTES
from antiphon.doors.server.http_protocol import BoundedHttpConfig, BoundedHttpProtocol, Handshakes
from antiphon.doors.server.received import ReceivedBytes
from antiphon.doors.server.tls import TlsFiles
from antiphon.doors.server.tls_handshake import TlsHandshake
from antiphon.doors.server.websocket_protocol import BoundedWebSocketProtocol
from antiphon.errors import InvalidRequest

SEND_BUFFER_BYTES = 128 * 2**10
"""Kernel send buffer of one client (Linux doubles it). Its content cannot be withdrawn when a response is cancelled;
by default it is several megabytes for a client that does not read."""
WS_MAX_BYTES = 50 * 2**20
"""Longest WebSocket message of the server; each door has its own, lower limit."""

websockets.http11.MAX_LINE_LENGTH = HEADER_LINE_BYTES  # pyright: ignore[reportPrivateImportUsage] -- the library has no setting for it


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Address, limits and timeouts."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free port."""
    tls: TlsFiles | None = None
    handshake_timeout_s: float = 10.0
    """Timeout of a request head, of a body before its key is checked, and of a TLS handshake."""
    max_handshakes: int = 200
    """Most of these at a time; above it the oldest is closed."""
    max_undecoded_bytes: int = 64 * 2**20
    """Most bytes of messages and bodies that are incomplete or not handled yet, over all connections."""
    shutdown_s: float = 5.0
    """Time for requests in progress to end after the drain."""


class HttpServer:
    """Serves one ASGI app until it is told to stop."""

    def __init__(self, app: AsgiApp, options: ServerOptions) -> None:
        self._options = options
        config = BoundedHttpConfig(
            app,
            http=BoundedHttpProtocol,
            ws=BoundedWebSocketProtocol,
            ws_max_size=WS_MAX_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",  # below it, request lines are logged: they may hold keys
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(options.shutdown_s)),
            ssl_certfile=options.tls.cert if options.tls else None,
            ssl_keyfile=options.tls.key if options.tls else None,
        )
        config.handshakes = Handshakes(options.max_handshakes)
        config.idle = Handshakes(options.max_handshakes)
        config.handshake_timeout_s = options.handshake_timeout_s
        config.received = ReceivedBytes(options.max_undecoded_bytes)
        self._server = _Uvicorn(config, options)

    @property
    def handshakes(self) -> int:
        """Unfinished handshakes, unauthenticated bodies included."""
        return len(self._server.handshakes)

    async def serve(
        self,
        *,
        stop: asyncio.Event,
        ready: Callable[[str], None] = lambda url: None,
        drain: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Listen, call ``ready`` with the base URL (real port), and serve until ``stop`` is set.

        Then ``drain`` is awaited while requests are still answered, so that ``/ready`` can tell; afterwards no new
        connection is accepted, requests in progress have ``shutdown_s`` to end, and the call returns.
        Raises `InvalidRequest` when the server cannot listen on the address.
        """
        ready(await self._server.listen())
        try:
            await self._server.run_until(stop)
            if drain is not None:
                await drain()
        finally:
            await self._server.shutdown()


class _Uvicorn(uvicorn.Server):
    """uvicorn's server without its signal handlers, `sys.exit` and lifespan."""

    def __init__(self, config: BoundedHttpConfig, options: ServerOptions) -> None:
        super().__init__(config)
        self.handshakes = config.handshakes
        self._options = options

    async def listen(self) -> str:
        """Bind, and return the base URL."""
        self._load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.on_tick(0)
        options, tls = self._options, self.config.ssl
        secure = tls and partial(TlsHandshake, self._plain, tls, self.handshakes, options.handshake_timeout_s)
        try:
            server = await asyncio.get_running_loop().create_server(
                secure or self._plain,
                host=options.host,
                port=options.port,
                backlog=self.config.backlog,
            )
        except OSError as exc:
            raise InvalidRequest(
                f"Cannot listen on {options.host}:{options.port} ({exc.strerror or exc}): "
                "is it in use? Choose another with --port.",
                code="address_in_use",
                param="port",
            ) from exc
        for listening in server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.servers = [server]
        self.started = True
        return _base_url(options, server.sockets[0].getsockname()[1])

    def _plain(self) -> BoundedHttpProtocol:
        return BoundedHttpProtocol(self.config, self.server_state, {})

    def _load(self) -> None:
        if self.config.loaded:
            return
        try:
            self.config.load()
        except OSError as exc:  # ssl.SSLError is one
            raise InvalidRequest(
                f"The TLS certificate or key cannot be used: {exc}.",
                code="invalid_certificate",
                param="tls_cert",
            ) from exc

    async def run_until(self, stop: asyncio.Event) -> None:
        """Return when ``stop`` is set; until then update the date header."""
        while not stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)


def _base_url(options: ServerOptions, port: int) -> str:
    scheme = "https" if options.tls else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{scheme}://{host}:{port}"


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set ``stop`` on SIGINT and SIGTERM. A second signal has its default action and ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int, frame: FrameType | None = None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
