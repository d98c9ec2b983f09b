"""WebSockets of Engine.IO: new transports, and upgrades of polling sessions."""

from __future__ import annotations

from typing import Any

import structlog

from antiphon.doors.dubbing.audio import lightened
from antiphon.doors.dubbing.polling import query_of
from antiphon.doors.dubbing.transports import Transport, Transports, attach, transport_of
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send
from antiphon.doors.server.frames import LongText
from antiphon.doors.server.socket import socket_of
from antiphon.errors import InvalidRequest

_log = structlog.get_logger(__name__)


class WebSockets:
    """Passes messages to the library while the transport is within its limits, and ends it with its WebSocket."""

    def __init__(self, app: AsgiApp, transports: Transports) -> None:
        self._app = app
        self._transports = transports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket. Raises `InvalidRequest` before it is accepted."""
        query = query_of(scope)
        if eio_sid := query.get("sid", [""])[0]:
            await self._upgrade(self._transports.find(eio_sid), scope, receive, send)
        elif query.get("transport") == ["websocket"]:
            try:
                await self._serve(scope, receive, send)
            finally:
                if (transport := transport_of(scope)) is not None:
                    await self._transports.end(transport)
        else:
            raise InvalidRequest("A WebSocket begins with transport=websocket.", param="transport")

    async def _upgrade(self, transport: Transport, scope: Scope, receive: Receive, send: Send) -> None:
        if transport.raw is not None:
            raise InvalidRequest("This session has a WebSocket already.", code="session_busy", param="sid")
        attach(scope, transport)
        transport.use_socket(socket_of(scope))
        timing_out = self._transports.await_upgrade(transport)
        try:
            await self._serve(scope, receive, send)
        finally:
            timing_out.cancel()
            if transport.socket.upgraded:
                await self._transports.end(transport)
            else:
                transport.use_socket(None)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = socket_of(scope)
        first = await receive()
        if first["type"] != "websocket.connect":
            return  # disconnected already, or a protocol error

        async def receive_some() -> Message:
            nonlocal first
            transport = transport_of(scope)
            if transport is not None:
                transport.taken.clear()
            message, first = first or await receive(), None
            transport = transport_of(scope)
            if transport is None:
                return message
            if transport.admits(1):
                return await _lightened(message, transport)
            if raw is not None:
                raw.abort()
            return {"type": "websocket.disconnect", "code": 1008}

        try:
            await self._app(scope, receive_some, send)
        except ValueError as error:  # an unknown packet type
            _log.info("invalid packet, connection aborted", reason=str(error))
            if raw is not None:
                raw.abort()


async def _lightened(message: Any, transport: Transport) -> Any:
    """Take the long audio out of a message. Raises `ValueError`."""
    if isinstance(text := message.get("text"), LongText):
        return {**message, "text": (await lightened(text.data, transport.taken)).decode()}
    if isinstance(message.get("bytes"), bytearray):  # binary messages are ignored, long ones undecoded
        return {**message, "bytes": b""}
    return message
