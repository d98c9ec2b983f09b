"""One HTTP request and its response; the application reports to the server when the request is authenticated.

Until then its connection counts as an unfinished handshake while its body is incomplete; after an early response the
rest of a large body is not read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from antiphon.doors.server.asgi import Message, Receive, Send

UNKEYED_BYTES = 16 * 2**10
"""Most bytes read of a body or a WebSocket message before authentication."""
HEADER_LINE_BYTES = 25 * 2**10
"""Longest header line. It may hold a client secret, for which the library's 8 KiB are too few."""
LINGER_S = 1.0
"""Time for the client to read a response that is sent before its body was read."""
_MOST_READS = 50
"""Most chunks read meanwhile: small chunks are costly."""
_EXCHANGE = "antiphon.exchange"
_CLOSE = (b"connection", b"close")


class Carrier(Protocol):
    """The connection of an exchange."""

    def admit(self) -> None:
        """Count the request as authenticated."""
        ...

    def hold(self, held_bytes: int) -> None:
        """Count the bytes that an application holds of a body it has not handled yet."""
        ...

    def evict(self) -> None:
        """End the connection at once."""
        ...

    @property
    def is_too_much_to_read(self) -> bool:
        """True when the rest of an unauthenticated body may be larger than `UNKEYED_BYTES`."""
        ...


class Exchange:
    """Operations of an HTTP application that ASGI does not have."""

    def __init__(self, carrier: Carrier, receive: Receive, send: Send) -> None:
        self._carrier = carrier
        self._receive = receive
        self._send = send
        self._is_last = False

    def admit(self) -> None:
        """The request is authenticated: from now on the application sets the limits."""
        self._carrier.admit()

    def hold(self, held_bytes: int) -> None:
        """Count the bytes held of the body; above the limit of all connections the oldest is closed."""
        self._carrier.hold(held_bytes)

    def evict(self) -> None:
        """Close the connection at once, without waiting for the client."""
        self._carrier.evict()

    async def send(self, message: Message) -> None:
        """Pass the response on; after one that precedes most of the body the connection is closed."""
        kind = message["type"]
        if kind == "http.response.start" and self._carrier.is_too_much_to_read:
            self._is_last = True
            message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        elif self._is_last and kind == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Give the client time to read: closing with unread input resets the connection and loses the response."""
        read_bytes = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                for _ in range(_MOST_READS):
                    message = await self._receive()
                    if not message.get("more_body", False):
                        return
                    read_bytes += len(message["body"])
                    if read_bytes > UNKEYED_BYTES:
                        break
                await asyncio.sleep(LINGER_S)


def exchange_of(scope: Mapping[str, Any]) -> Exchange | None:
    """Return the exchange of an ASGI scope, None under another server."""
    return scope.get("extensions", {}).get(_EXCHANGE)


def admit(scope: Mapping[str, Any]) -> None:
    """Report to the server, if it is ours, that the request is authenticated."""
    if (exchange := exchange_of(scope)) is not None:
        exchange.admit()


def extensions_of(exchange: Exchange) -> dict[str, Any]:
    """Return the ASGI extensions in which `exchange_of` finds it."""
    return {_EXCHANGE: exchange}
