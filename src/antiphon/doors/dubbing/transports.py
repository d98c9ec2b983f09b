"""Transports of Engine.IO under the dubbing door, from their opening to their end: WebSockets, and sessions that poll.

A transport is a stranger's until a worker was greeted on it. Until then it may say little, and has little time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from engineio.packet import NOOP, Packet

from antiphon.doors.dubbing.audio import Taken
from antiphon.doors.dubbing.socketio import MAX_MESSAGE_BYTES, WatchedServer
from antiphon.doors.server.asgi import Scope
from antiphon.doors.server.exchange import UNKEYED_BYTES, Exchange
from antiphon.doors.server.socket import Socket, socket_of
from antiphon.errors import InvalidRequest
from antiphon.observe.tasks import TrackedTasks

MAX_POST_BYTES = 14 * 2**20
"""Longest body of a worker that polls: one fragment."""
_MOST_PACKETS = 32
"""What a stranger may say: a greeting, an upgrade, and some heartbeats."""
_MOST_UNREAD = 64
"""Packets that wait for a client that does not fetch them."""
_TRANSPORT = "antiphon.transport"


class Transport:
    """One of them."""

    def __init__(self, socket: Any, peer: str, *, is_known: bool) -> None:
        self.socket = socket
        """The library's `AsyncSocket`."""
        self.peer = peer
        """The address that it was opened from."""
        self.raw: Socket | None = None
        """The WebSocket that it speaks over, or that it is about to be upgraded to."""
        self.is_known = is_known
        """True when it came with a right key."""
        self.is_greeted = False
        """True as soon as a worker has had it."""
        self.is_taken = False
        """True while a worker has it."""
        self.is_evicted = False
        """True as soon as its place is another's."""
        self.is_polled = False
        self.is_posting = False
        self.exchange: Exchange | None = None
        """The request whose body is being read."""
        self.taken: Taken = {}
        """Audio of the message that is being worked on, where it is long."""
        self._deadline: asyncio.TimerHandle | None = None
        self._packets = 0

    def takes(self, packets: int) -> bool:
        """Count what it says, and return whether it may go on."""
        self._packets += packets
        return (self.is_greeted or self._packets <= _MOST_PACKETS) and self.socket.queue.qsize() <= _MOST_UNREAD

    def greet(self) -> None:
        """A worker has it."""
        self.expect(None)
        self.is_taken = True
        if not self.is_greeted:
            self.is_greeted = True
            self.socket.last_ping = time.time()
            self.socket.schedule_ping()
            if self.raw is not None:
                self.raw.limit(MAX_MESSAGE_BYTES)

    def speak_over(self, raw: Socket | None) -> None:
        """Let it speak over a WebSocket, with its limits."""
        self.raw = raw
        if raw is not None:
            raw.limit(MAX_MESSAGE_BYTES if self.is_greeted else UNKEYED_BYTES)

    def cut_off(self) -> None:
        """End its WebSocket."""
        if self.raw is not None:
            self.raw.abort()

    def let_go(self) -> None:
        """It is over: who polls is answered, if only with a packet that says nothing."""
        if self.is_polled and self.socket.queue.empty():
            self.socket.queue.put_nowait(Packet(NOOP))

    def expect(self, deadline: asyncio.TimerHandle | None) -> None:
        """Have this end it, in place of what would have ended it so far."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = deadline


class Transports:
    """All of them, at most ``most``."""

    def __init__(
        self,
        server: WatchedServer,
        background: TrackedTasks,
        *,
        most: int,
        greeting_s: Callable[[], float],
        is_known: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        """``greeting_s`` says how long a transport may be nobody's, ``is_known`` whether a request has a right key."""
        self._engine = server.eio
        self._background = background
        self._most = most
        self._greeting_s = greeting_s
        self._is_known = is_known
        self._all: dict[str, Transport] = {}
        server.watch(self._opened, self._closed)

    def find(self, eio_sid: str) -> Transport:
        """Return a session that polls. Raises `InvalidRequest`."""
        transport = self._all.get(eio_sid)
        if transport is None or transport.socket.upgraded:
            raise InvalidRequest("There is no such session to poll.", code="unknown_session", param="sid")
        return transport

    def leave(self, transport: Transport) -> None:
        """Take note that its worker has left; another may come, but soon."""
        transport.is_taken = False
        if transport.socket.sid in self._all:
            self._await_greeting(transport)

    async def end(self, transport: Transport) -> None:
        """Close it now: who polls is told, who sends or speaks over a WebSocket is cut off."""
        if transport.exchange is not None:
            transport.exchange.evict()
        transport.cut_off()
        await transport.socket.close(wait=False)

    async def end_sessions(self) -> None:
        """Close all sessions that poll: their requests would wait for longer than a server does that goes down."""
        for transport in [one for one in self._all.values() if one.raw is None]:
            await self.end(transport)

    def tidy(self, transport: Transport) -> None:
        """Forget one that is over; while its body is worked on the library still looks for it."""
        if transport.socket.sid not in self._all and not transport.is_posting:
            self._engine.sockets.pop(transport.socket.sid, None)

    def await_upgrade(self, transport: Transport) -> asyncio.TimerHandle:
        """Cut the WebSocket of a session off when it does not take the session over soon."""

        def time_out() -> None:
            if not transport.socket.upgraded:
                transport.cut_off()

        return asyncio.get_running_loop().call_later(self._greeting_s(), time_out)

    def close(self) -> None:
        """Wait for nobody any more."""
        for transport in self._all.values():
            transport.expect(None)

    def _opened(self, eio_sid: str, scope: Scope) -> None:
        socket = self._engine.sockets[eio_sid]
        socket.last_ping = None  # no heartbeat, which is a task that outlives its transport, before there is a worker
        opening = socket.queue.get_nowait()
        socket.queue.task_done()
        opening.data["maxPayload"] = MAX_POST_BYTES
        socket.queue.put_nowait(opening)
        transport = Transport(socket, _peer(scope), is_known=self._is_known(scope))
        transport.speak_over(socket_of(scope))
        attach(scope, transport)
        self._await_greeting(transport)
        self._make_room(transport)
        self._all[eio_sid] = transport

    def _make_room(self, new: Transport) -> None:
        """Where there are too many, end one that is nobody's: a stranger's, of the peer that has most of them.

        Which one is left to chance: were it the oldest, whoever opens enough of them while a worker's greeting is
        under way would keep every worker out.
        """
        there = [one for one in self._all.values() if not one.is_evicted]
        if len(there) < self._most:
            return
        free = [one for one in there if not one.is_taken] or [new]
        strangers = [one for one in free if not one.is_known] or free
        counts = Counter(one.peer for one in strangers)
        crowd = max(counts.values())
        chosen = secrets.choice([one for one in strangers if counts[one.peer] == crowd])
        chosen.is_evicted = True
        self._background.do(self.end(chosen))

    def _closed(self, eio_sid: str) -> None:
        transport = self._all.pop(eio_sid, None)
        if transport is not None:
            transport.expect(None)
            self.tidy(transport)
            asyncio.get_running_loop().call_soon(transport.let_go)

    def _await_greeting(self, transport: Transport) -> None:
        def time_out() -> None:
            self._background.do(self.end(transport))

        transport.expect(asyncio.get_running_loop().call_later(self._greeting_s(), time_out))


def _peer(scope: Mapping[str, Any]) -> str:
    """Return the address of a client, of one with IPv6 its network: it has all addresses of it."""
    host: str = (scope.get("client") or ("",))[0]
    return ":".join(host.split(":")[:4])


def attach(scope: Scope, transport: Transport) -> None:
    """Have `transport_of` find it."""
    scope.setdefault("extensions", {})[_TRANSPORT] = transport


def transport_of(scope: Mapping[str, Any]) -> Transport | None:
    """Return what a request has opened, or a WebSocket speaks for; None before that."""
    return scope.get("extensions", {}).get(_TRANSPORT)


def opened_by(scope: Mapping[str, Any]) -> Transport:
    """Return what a request has opened."""
    return scope["extensions"][_TRANSPORT]
