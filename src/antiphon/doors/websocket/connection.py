"""A WebSocket from its handshake to its close, whatever is spoken over it; and all that are open."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator
from typing import Protocol

import structlog

from antiphon.doors.access.rate_limits import check_room
from antiphon.doors.errors import error_answer
from antiphon.doors.server.asgi import Receive, Scope, Send
from antiphon.doors.server.frames import LongText
from antiphon.doors.server.socket import socket_of
from antiphon.errors import AntiphonError, Overloaded, RateLimited
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import sent_with, span, tracing
from antiphon.ports.limiter import Account

_log = structlog.get_logger(__name__)
_CLOSE_TIMEOUT_S = 2.0
_GOING_DOWN = 1012


class AnySession(Protocol):
    """What speaks the protocol of a connection."""

    def open(self) -> None:
        """Greet the client."""
        ...

    async def frame(self, frame: str | LongText | bytes | None) -> None:
        """Take one frame."""
        ...

    async def flushed(self) -> None:
        """Return when all that was to be said is written."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    @property
    def is_answering(self) -> bool:
        """True while a drain should wait; `Connection.rest` is called when that ends."""
        ...

    @property
    def may_return(self) -> bool:
        """True when the connection's work goes on without it, for somebody to take it up."""
        ...


class Connection:
    """One accepted WebSocket."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._socket = socket_of(scope)
        self._traceparent = sent_with(scope["headers"])
        self._receive = receive
        self._send = send
        self._link: AnySession | None = None
        self._closing: tuple[int, str] | None = None
        self._is_leaving = False
        self._left_with = 1006
        self._reader: asyncio.Task[None] | None = None

    @property
    def code(self) -> int:
        """Close code with which it ended; 1006 while it has not."""
        return self._left_with if self._closing is None else self._closing[0]

    @property
    def may_return(self) -> bool:
        """True when what was under way goes on without it."""
        return self._link is not None and self._link.may_return

    @property
    def is_answering(self) -> bool:
        """True while something is under way for the client."""
        return self._link is not None and self._link.is_answering

    async def run(
        self, make_link: Callable[[asyncio.TaskGroup], AnySession], *, session_id: str, tenant: str, key_id: str
    ) -> None:
        """Serve until one side has had enough."""
        with (
            tracing(self._traceparent, session_id=session_id, tenant_id=tenant, correlation_id=session_id),
            span("session", session_id=session_id),
        ):
            _log.info("session opened", key_id=key_id)
            try:
                async with asyncio.TaskGroup() as group:
                    self._link = make_link(group)
                    await self._serve(self._link, group)
            finally:
                _log.info("session closed", code=self.code)

    async def _serve(self, link: AnySession, group: asyncio.TaskGroup) -> None:
        try:
            link.open()
            if self._closing is None:
                self._reader = group.create_task(self._read(link), name="realtime reader")
                await asyncio.wait((self._reader,))
            if self._closing is not None:
                await link.flushed()
                code, reason = self._closing
                with contextlib.suppress(OSError):  # the client has left first
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            await link.close()

    async def _read(self, link: AnySession) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._left_with = int(message.get("code") or 1005)
                return
            if self._is_leaving and not link.is_answering:  # who goes on elsewhere says it there
                self.leave()
                return
            begin = time.perf_counter()
            text = message.get("text")
            await link.frame(message.get("bytes") if text is None else text)
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
        """Close with 1012 as soon as nothing is under way, so that the client goes on elsewhere."""
        self._is_leaving = True
        self.rest()

    def rest(self) -> None:
        """Take note that something was answered: a connection that is leaving goes when nothing is under way."""
        if self._is_leaving and not self.is_answering:
            self.hang_up(_GOING_DOWN, "the server is going down")

    def hang_up(self, code: int, reason: str) -> None:
        """Close with a code, once what is queued was sent."""
        if self._closing is None:
            self._closing = (code, reason)
            if self._reader is not None:
                self._reader.cancel()

    def give_up(self) -> None:
        """End the connection of a client that does not read: it would not read a close frame either."""
        self.hang_up(1008, "the client does not read")
        if self._socket is not None:
            self._socket.abort()


class ConnectionRegistry:
    """All open connections of a process, over all doors: counts them, and lets them go at a drain."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        most: int = 10_000,
        most_per_key: int | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """``most_per_key`` bounds what one key has of them, with the secrets that it has issued; None does not.

        ``has_room`` says whether what gateways share has room for another session.
        """
        self._metrics = metrics
        self._observe = metrics.message_observer("realtime")
        self._most = most
        self._most_per_key = most_per_key
        self._has_room = has_room
        self._places: Counter[Account] = Counter()
        self._open: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._draining = False

    @contextlib.contextmanager
    def place(self, account: Account) -> Generator[None]:
        """Hold a place of a key as long as the context lasts, from before the connection is accepted.

        Raises `Overloaded` when there is no room or the process is going down, and `RateLimited` when the key has all
        that it may have.
        """
        is_full = self._places.total() >= self._most
        if self._draining or is_full:
            if is_full:
                self._metrics.rate_limited("connections")
            raise Overloaded("The server takes no new connections at the moment; try again soon.")
        if self._most_per_key is not None and self._places[account] >= self._most_per_key:
            self._metrics.rate_limited("connections")
            raise RateLimited(
                f"This key has {self._most_per_key} connections, which is the most.", code="too_many_connections"
            )
        self._places[account] += 1
        try:
            yield
        finally:
            self._places[account] -= 1
            if not self._places[account]:
                del self._places[account]

    def check_room(self) -> None:
        """Refuse a new session where one that lives may still be resumed. Raises `Overloaded`."""
        check_room(self._has_room)

    @contextlib.contextmanager
    def connect(self, scope: Scope, receive: Receive, send: Send) -> Generator[Connection]:
        """Yield a connection that counts as long as the context lasts."""
        connection = Connection(scope, receive, send, self._observe)
        self._open.add(connection)
        self._is_empty.clear()
        if self._draining:
            connection.leave()
        self._metrics.connections("realtime", 1)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            if not self._open:
                self._is_empty.set()
            self._metrics.connections("realtime", -1)
            self._metrics.request("realtime", "done")

    async def drain(self, deadline_s: float) -> None:
        """Take no new connections, let answers under way end, then close with 1012 so that clients reconnect."""
        self._draining = True
        for connection in list(self._open):
            connection.leave()
        if not await self._emptied(deadline_s):
            for connection in list(self._open):
                connection.hang_up(_GOING_DOWN, "the server is going down")
            await self._emptied(_CLOSE_TIMEOUT_S)

    async def _emptied(self, within_s: float) -> bool:
        """Return True as soon as no connection is open, False when that takes longer than it may."""
        try:
            async with asyncio.timeout(within_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True


async def refuse(send: Send, error: AntiphonError) -> None:
    """Refuse a handshake with a real HTTP answer."""
    answer = error_answer(error)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "websocket.http.response.body", "body": answer.body})
