"""One HTTP request and its answer, of which the server knows whether its key was right.

Until then it is a stranger's: its connection counts as an unfinished handshake while its body is not complete, and
when it is answered before that, the rest of a large body is not read any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from antiphon.doors.server.asgi import Message, Receive, Send

UNKEYED_BYTES = 16 * 2**10
"""Most that is read of a body, or of a WebSocket message, before a key was right."""
HEADER_LINE_BYTES = 25 * 2**10
"""Longest header line. A client secret travels in one, and the library's 8 KiB are too few for a long prompt."""
LINGER_S = 1.0
"""How long a client may take to read an answer behind which its body is not read."""
_MOST_READS = 50
"""A body in small chunks is costly to read."""
_EXCHANGE = "antiphon.exchange"
_CLOSE = (b"connection", b"close")


class Carrier(Protocol):
    """The connection of an exchange."""

    def admit(self) -> None:
        """Stop counting the request as a stranger's."""
        ...

    def hold(self, held_bytes: int) -> None:
        """Count what an application keeps of a body that is not complete, or not worked on."""
        ...

    def evict(self) -> None:
        """End the connection at once."""
        ...

    @property
    def is_too_much_to_read(self) -> bool:
        """True when more of a stranger's body may be to come than is read for nothing."""
        ...


class Exchange:
    """What an HTTP application may do beside ASGI."""

    def __init__(self, carrier: Carrier, receive: Receive, send: Send) -> None:
        self._carrier = carrier
        self._receive = receive
        self._send = send
        self._is_last = False

    def admit(self) -> None:
        """The key is right: from now on the application sets the limits."""
        self._carrier.admit()

    def hold(self, held_bytes: int) -> None:
        """Count what is kept of the body; when all connections together keep too much, the oldest is ended."""
        self._carrier.hold(held_bytes)

    def evict(self) -> None:
        """End the connection without waiting for the client to send or to read anything."""
        self._carrier.evict()

    async def send(self, message: Message) -> None:
        """Pass the answer on; one that comes before much of the body is the last of its connection."""
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
        """Give the client time to read: closed with bytes unread, the connection is reset and the answer lost."""
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
    """Return the exchange behind an ASGI scope, where the server offers it."""
    return scope.get("extensions", {}).get(_EXCHANGE)


def admit(scope: Mapping[str, Any]) -> None:
    """Tell the server, where it wants to know, that the request has a right key."""
    if (exchange := exchange_of(scope)) is not None:
        exchange.admit()


def extensions_of(exchange: Exchange) -> dict[str, Any]:
    """Return the ASGI extensions by which `exchange_of` finds it."""
    return {_EXCHANGE: exchange}
