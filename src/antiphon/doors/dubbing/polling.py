"""HTTP polling of Engine.IO: enforces limits before the library handles a request.

The library alone would read a body of any length, without a timeout and in quadratic time, before authentication.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from antiphon.doors.access.middleware import plain_headers
from antiphon.doors.dubbing.audio import lightened
from antiphon.doors.dubbing.transports import MAX_POST_BYTES, Transport, Transports
from antiphon.doors.errors import ContentTooLarge
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send
from antiphon.doors.server.exchange import UNKEYED_BYTES, Exchange, exchange_of
from antiphon.doors.websocket.large_events import LARGE_BYTES
from antiphon.errors import InvalidRequest

_MOST_FIELDS = 20
_MOST_PACKETS = 16
"""Limit for one body, the same as the library's."""
_SEPARATOR = b"\x1e"
_KINDS = b"1345b"
"""First bytes of the packet types that clients send: close, pong, message, upgrade, binary message."""


class Polling:
    """Passes requests to the library: one GET and one POST at a time for each session, with bounded bodies."""

    def __init__(self, app: AsgiApp, transports: Transports) -> None:
        self._app = app
        self._transports = transports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `InvalidRequest` and `ContentTooLarge` before a response begins."""
        send = _plain(send)
        query = query_of(scope)
        if "j" in query:
            raise InvalidRequest("JSONP polling is not supported.", param="j")
        eio_sid = query.get("sid", [""])[0]
        # the library must not upgrade a request that the server has not upgraded
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"upgrade"]}
        if eio_sid and scope["method"] == "POST":
            await self._post(self._transports.find(eio_sid), scope, receive, send)
        elif eio_sid and scope["method"] == "GET":
            await self._get(self._transports.find(eio_sid), scope, send)
        else:
            await self._app(scope, _whole(b""), send)

    async def _get(self, transport: Transport, scope: Scope, send: Send) -> None:
        if transport.is_polled:
            raise InvalidRequest("This session is being polled already.", code="session_busy", param="sid")
        transport.is_polled = True
        try:
            await self._app(scope, _whole(b""), send)
        finally:
            transport.is_polled = False

    async def _post(self, transport: Transport, scope: Scope, receive: Receive, send: Send) -> None:
        if transport.is_posting:
            raise InvalidRequest("Another POST of this session is in progress.", code="session_busy", param="sid")
        exchange = exchange_of(scope)
        transport.is_posting = True
        try:
            body = await _read(transport, exchange, scope, receive)
            if body is not None:
                await self._take(transport, body, scope, send)
        finally:
            transport.is_posting = False
            transport.taken.clear()
            self._transports.forget(transport)
            if exchange is not None:
                exchange.hold(0)

    async def _take(self, transport: Transport, body: bytes | bytearray, scope: Scope, send: Send) -> None:
        self._transports.find(transport.socket.sid)  # it may have ended
        if not transport.admits(_packets(body)):
            await self._transports.end(transport)
            raise InvalidRequest(
                "This session sends too many packets, or does not poll for those that it is sent.", param="sid"
            )
        if len(body) > LARGE_BYTES:
            body = await _lightened(body, transport)
        headers = [(b"content-length", str(len(body)).encode())]
        await self._app({**scope, "headers": headers}, _whole(body), send)


def query_of(scope: Mapping[str, Any]) -> dict[str, list[str]]:
    """Parse the query as the library does. Raises `InvalidRequest`."""
    try:
        return parse_qs(scope.get("query_string", b"").decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InvalidRequest("The query has too many fields, or is not UTF-8.", param="query") from error


async def _read(transport: Transport, exchange: Exchange | None, scope: Scope, receive: Receive) -> bytearray | None:
    """Read a body; None if the client disconnects. Raises `ContentTooLarge`."""
    most = MAX_POST_BYTES if transport.has_connected else UNKEYED_BYTES
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    too_large = ContentTooLarge(f"A body may have at most {most} bytes.")
    if int(declared) > most:
        raise too_large
    if exchange is not None and transport.has_connected:
        exchange.admit()
    body, is_complete = bytearray(), False
    transport.exchange = exchange
    try:
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                raise too_large
            if exchange is not None:
                exchange.hold(len(body))
            is_complete = not message.get("more_body", False)
    finally:
        transport.exchange = None
    return body


async def _lightened(body: bytes | bytearray, transport: Transport) -> bytes:
    """Take the long audio out of a body. Raises `InvalidRequest`."""
    try:
        return _SEPARATOR.join([await lightened(packet, transport.taken) for packet in body.split(_SEPARATOR)])
    except ValueError as error:
        raise InvalidRequest(f"A packet has {error}.", code="invalid_packet") from error


def _packets(body: bytes | bytearray) -> int:
    """Count the packets of a body. Raises `InvalidRequest` for too many, and for types that clients must not send."""
    count, at = 0, 0
    while at or not count:
        count += 1
        if count > _MOST_PACKETS:
            raise InvalidRequest(f"A body may have at most {_MOST_PACKETS} packets.", code="too_many_packets")
        if body and body[at : at + 1] not in _KINDS:
            raise InvalidRequest("A packet has an unknown type.", code="invalid_packet")
        at = body.find(_SEPARATOR, at) + 1
    return count


def _plain(send: Send) -> Send:
    """Return a ``send`` that adds the headers that all responses have."""

    async def send_plain(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            message = {**message, "headers": [*own, *plain_headers(own)]}
        await send(message)

    return send_plain


def _whole(body: bytes | bytearray) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return a ``receive`` that yields a complete body."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
