"""HTTP requests of Engine.IO: held against their limits before the library sees them.

The library would read a body of any length, for as long as it takes, and in quadratic time, before it asks whose it is.
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
"""In one body; the library takes no more."""
_SEPARATOR = b"\x1e"
_KINDS = b"1345b"
"""First bytes of the packets that a client may send: close, pong, message, upgrade, binary message."""


class Polling:
    """Passes on what the library can take: one GET and one POST of a session at a time, with bounded bodies."""

    def __init__(self, app: AsgiApp, transports: Transports) -> None:
        self._app = app
        self._transports = transports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `InvalidRequest` and `ContentTooLarge` before anything is answered."""
        send = _plain(send)
        query = query_of(scope)
        if "j" in query:
            raise InvalidRequest("Sessions are not polled by script elements here.", param="j")
        eio_sid = query.get("sid", [""])[0]
        # what the server has not upgraded the library must not either
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
            raise InvalidRequest("Another body of this session is under way.", code="session_busy", param="sid")
        exchange = exchange_of(scope)
        transport.is_posting = True
        try:
            body = await _read(transport, exchange, scope, receive)
            if body is not None:
                await self._take(transport, body, scope, send)
        finally:
            transport.is_posting = False
            transport.taken.clear()
            self._transports.tidy(transport)
            if exchange is not None:
                exchange.hold(0)

    async def _take(self, transport: Transport, body: bytes | bytearray, scope: Scope, send: Send) -> None:
        self._transports.find(transport.socket.sid)  # it may be over
        if not transport.takes(_packets(body)):
            await self._transports.end(transport)
            raise InvalidRequest("This session sends too much, or does not fetch what it is sent.", param="sid")
        if len(body) > LARGE_BYTES:
            body = await _lightened(body, transport)
        headers = [(b"content-length", str(len(body)).encode())]
        await self._app({**scope, "headers": headers}, _whole(body), send)


def query_of(scope: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the query as the library reads it. Raises `InvalidRequest`."""
    try:
        return parse_qs(scope.get("query_string", b"").decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InvalidRequest("The query has too many fields, or is not UTF-8.", param="query") from error


async def _read(transport: Transport, exchange: Exchange | None, scope: Scope, receive: Receive) -> bytearray | None:
    """Return a body, None when its client has left. Raises `ContentTooLarge`."""
    most = MAX_POST_BYTES if transport.is_greeted else UNKEYED_BYTES
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    too_large = ContentTooLarge(f"A body has at most {most} bytes here.")
    if int(declared) > most:
        raise too_large
    if exchange is not None and transport.is_greeted:
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
    """Return a body as the library may have it. Raises `InvalidRequest`."""
    try:
        return _SEPARATOR.join([await lightened(packet, transport.taken) for packet in body.split(_SEPARATOR)])
    except ValueError as error:
        raise InvalidRequest(f"A packet has {error}.", code="invalid_packet") from error


def _packets(body: bytes | bytearray) -> int:
    """Return how many packets a body has. Raises `InvalidRequest` for too many, and for kinds that no client sends."""
    count, at = 0, 0
    while at or not count:
        count += 1
        if count > _MOST_PACKETS:
            raise InvalidRequest(f"A body has at most {_MOST_PACKETS} packets.", code="too_many_packets")
        if body and body[at : at + 1] not in _KINDS:
            raise InvalidRequest("A packet is of no known kind.", code="invalid_packet")
        at = body.find(_SEPARATOR, at) + 1
    return count


def _plain(send: Send) -> Send:
    """Return what sends an answer with the headers that all others have too."""

    async def send_plain(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            message = {**message, "headers": [*own, *plain_headers(own)]}
        await send(message)

    return send_plain


def _whole(body: bytes | bytearray) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return what gives an application a body that is complete."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
