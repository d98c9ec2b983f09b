"""One WebSocket, from its handshake to its close, for any protocol over it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from antiphon.doors.errors import error_answer
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.server.frames import LongText
from antiphon.doors.server.socket import socket_of
from antiphon.errors import AntiphonError
from antiphon.observe.trace import sent_with, span, tracing

_log = structlog.get_logger(__name__)
GOING_DOWN = 1012, "the server is going down"


class AnySession(Protocol):
    """A session of any protocol, as its connection sees it."""

    def open(self) -> None:
        """Greet the client."""
        ...

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Take one frame."""
        ...

    async def flushed(self) -> None:
        """Return when all queued frames are written."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    @property
    def is_answering(self) -> bool:
        """True while a drain should wait; the session calls `Connection.rest` when that ends."""
        ...

    @property
    def may_return(self) -> bool:
        """True when the session may be resumed over another connection."""
        ...


class Connection:
    """One accepted WebSocket."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._socket = socket_of(scope)
        self._traceparent = sent_with(scope["headers"])
        self._receive = receive
        self._send = send
        self._session: AnySession | None = None
        self._closing: tuple[int, str] | None = None
        self._is_leaving = False
        self._left_with = 1006
        self._reader: asyncio.Task[None] | None = None

    @property
    def code(self) -> int:
        """Close code of the connection; 1006 while it is open."""
        return self._left_with if self._closing is None else self._closing[0]

    @property
    def may_return(self) -> bool:
        """True when its session may be resumed over another connection."""
        return self._session is not None and self._session.may_return

    @property
    def is_answering(self) -> bool:
        """True while the session answers the client."""
        return self._session is not None and self._session.is_answering

    async def run(
        self, make_session: Callable[[asyncio.TaskGroup], AnySession], *, session_id: str, tenant: str, key_id: str
    ) -> None:
        """Serve until one side closes."""
        with (
            tracing(self._traceparent, session_id=session_id, tenant_id=tenant, correlation_id=session_id),
            span("session", session_id=session_id),
        ):
            _log.info("session opened", key_id=key_id)
            try:
                async with asyncio.TaskGroup() as group:
                    self._session = make_session(group)
                    await self._serve(self._session, group)
            finally:
                _log.info("session closed", code=self.code)

    async def _serve(self, session: AnySession, group: asyncio.TaskGroup) -> None:
        try:
            session.open()
            if self._closing is None:
                self._reader = group.create_task(self._read(session), name="realtime reader")
                await asyncio.wait((self._reader,))
            if self._closing is not None:
                await session.flushed()
                code, reason = self._closing
                with contextlib.suppress(OSError):  # the client has left first
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            await session.close()

    async def _read(self, session: AnySession) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._left_with = int(message.get("code") or 1005)
                return
            if self._is_leaving and not session.is_answering:  # the client sends the frame again when it has resumed
                self.leave()
                return
            begin = time.perf_counter()
            text = message.get("text")
            await session.frame(message.get("bytes") if text is None else text)
            self._observe(time.perf_counter() - begin)

    def write(self, text: bytes) -> bool:
        """Write one frame at once and return True, or False when `send_text` has to wait for the client."""
        return self._socket is not None and self._socket.write(text)

    async def send_text(self, text: bytes) -> None:
        """Write one frame as soon as the client reads. Raises `OSError` when it has left."""
        if self._socket is not None:
            await self._socket.send_text(text)
        else:
            await self._send({"type": "websocket.send", "text": text.decode()})

    def leave(self) -> None:
        """Close with 1012 as soon as no answer is under way, so that the client continues at another gateway."""
        self._is_leaving = True
        self.rest()

    def rest(self) -> None:
        """Called when an answer has ended: a connection that is leaving closes if none is under way."""
        if self._is_leaving and not self.is_answering:
            self.hang_up(*GOING_DOWN)

    def hang_up(self, code: int, reason: str) -> None:
        """Close with a code, after the queued frames are sent."""
        if self._closing is None:
            self._closing = (code, reason)
            if self._reader is not None:
                self._reader.cancel()

    def abort(self) -> None:
        """End the connection of a client that does not read: it would not read a close frame either."""
        self.hang_up(1008, "the client does not read")
        if self._socket is not None:
            self._socket.abort()


async def refuse(send: Send, error: AntiphonError) -> None:
    """Refuse a handshake with an HTTP response."""
    answer = error_answer(error)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "websocket.http.response.body", "body": answer.body})
