"""A TLS handshake that counts as an unfinished handshake.

An asyncio server reports a connection only after its TLS handshake: half-open ones would be unbounded.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from antiphon.doors.server.http_protocol import Handshakes
from antiphon.doors.server.websocket_protocol import LINGER_S
from antiphon.observe.tasks import unattended


class TlsHandshake(asyncio.Protocol):
    """A new connection: handed to the protocol that ``make`` returns, or closed within ``timeout_s``."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext, handshakes: Handshakes, timeout_s: float
    ) -> None:
        self._make = make
        self._context = context
        self._handshakes = handshakes
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # what streams have
        """Take the socket from the transport: a transport that already reads would lose input before its upgrade."""
        taken: socket.socket = transport.get_extra_info("socket").dup()
        transport.abort()
        self._handshakes.begin(self)
        self._task = unattended(self._secure(taken), name="TLS handshake")

    def evict(self) -> None:
        """Close at once, without a response, to make room."""
        if self._task is not None:
            self._task.cancel()

    async def _secure(self, taken: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                taken,
                ssl=self._context,
                ssl_handshake_timeout=self._timeout_s,
                ssl_shutdown_timeout=LINGER_S,
            )
        except OSError:  # not TLS, an unsupported version, or a timeout
            pass
        finally:
            self._handshakes.end(self)
