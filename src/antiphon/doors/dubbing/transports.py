"""Engine.IO transports of the dubbing door: WebSockets, and polling sessions.

Until a client has connected over Socket.IO, a transport has a short timeout and small limits.
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
"""Limit before a client has connected: a CONNECT, an upgrade, and some heartbeats."""
_MOST_UNREAD = 64
"""Most unsent packets at which further packets are accepted."""
_TRANSPORT = "antiphon.transport"


class Transport:
    """One Engine.IO transport."""

    def __init__(self, socket: Any, peer: str, *, is_known: bool) -> None:
        self.socket = socket
        """The library's `AsyncSocket`."""
        self.peer = peer
        """The client's address, see `_peer`."""
        self.raw: Socket | None = None
        """The WebSocket that it uses, or is being upgraded to."""
        self.is_known = is_known
        """True if its request had a valid key."""
        self.has_connected = False
        """True once a client has connected, also after it has disconnected."""
        self.is_connected = False
        """True while a client is connected."""
        self.is_evicted = False
        """True once it was chosen to make room for another."""
        self.is_polled = False
        self.is_posting = False
        self.exchange: Exchange | None = None
        """The request whose body is being read."""
        self.taken: Taken = {}
        """Long audio of the message that is being handled."""
        self._deadline: asyncio.TimerHandle | None = None
        self._packets = 0

    def admits(self, packets: int) -> bool:
        """Count received packets, and return whether the transport is within its limits."""
        self._packets += packets
        return (self.has_connected or self._packets <= _MOST_PACKETS) and self.socket.queue.qsize() <= _MOST_UNREAD

    def connect(self) -> None:
        """Lift the limits: a client has connected."""
        self.set_deadline(None)
        self.is_connected = True
        if not self.has_connected:
            self.has_connected = True
            self.socket.last_ping = time.time()
            self.socket.schedule_ping()
            if self.raw is not None:
                self.raw.limit(MAX_MESSAGE_BYTES)

    def use_socket(self, raw: Socket | None) -> None:
        """Set the WebSocket, and limit the size of its messages."""
        self.raw = raw
        if raw is not None:
            raw.limit(MAX_MESSAGE_BYTES if self.has_connected else UNKEYED_BYTES)

    def cut_off(self) -> None:
        """Abort its WebSocket."""
        if self.raw is not None:
            self.raw.abort()

    def end_poll(self) -> None:
        """Answer a pending poll of a closed transport, if need be with a NOOP."""
        if self.is_polled and self.socket.queue.empty():
            self.socket.queue.put_nowait(Packet(NOOP))

    def set_deadline(self, deadline: asyncio.TimerHandle | None) -> None:
        """Replace the timer that ends the transport."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = deadline


class Transports:
    """All transports, at most ``most``."""

    def __init__(
        self,
        server: WatchedServer,
        background: TrackedTasks,
        *,
        most: int,
        connect_timeout_s: Callable[[], float],
        is_known: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        """``connect_timeout_s`` bounds the time without a client; ``is_known`` checks the key of a request."""
        self._engine = server.eio
        self._background = background
        self._most = most
        self._connect_timeout_s = connect_timeout_s
        self._is_known = is_known
        self._all: dict[str, Transport] = {}
        server.watch(self._opened, self._closed)

    def find(self, eio_sid: str) -> Transport:
        """Return a polling session. Raises `InvalidRequest`."""
        transport = self._all.get(eio_sid)
        if transport is None or transport.socket.upgraded:
            raise InvalidRequest("There is no such session to poll.", code="unknown_session", param="sid")
        return transport

    def disconnect(self, transport: Transport) -> None:
        """Note that the client has disconnected; it may connect again within the timeout."""
        transport.is_connected = False
        if transport.socket.sid in self._all:
            self._await_connect(transport)

    async def end(self, transport: Transport) -> None:
        """Close it now: answer a pending poll, abort a body or a WebSocket."""
        if transport.exchange is not None:
            transport.exchange.evict()
        transport.cut_off()
        await transport.socket.close(wait=False)

    async def end_sessions(self) -> None:
        """Close all polling sessions: their requests would outlast the shutdown timeout of the server."""
        for transport in [one for one in self._all.values() if one.raw is None]:
            await self.end(transport)

    def forget(self, transport: Transport) -> None:
        """Remove a closed transport from the library, unless the library is still handling a body of it."""
        if transport.socket.sid not in self._all and not transport.is_posting:
            self._engine.sockets.pop(transport.socket.sid, None)

    def await_upgrade(self, transport: Transport) -> asyncio.TimerHandle:
        """Abort the WebSocket of a session unless the upgrade completes within the timeout."""

        def time_out() -> None:
            if not transport.socket.upgraded:
                transport.cut_off()

        return asyncio.get_running_loop().call_later(self._connect_timeout_s(), time_out)

    def close(self) -> None:
        """Cancel all timers."""
        for transport in self._all.values():
            transport.set_deadline(None)

    def _opened(self, eio_sid: str, scope: Scope) -> None:
        socket = self._engine.sockets[eio_sid]
        socket.last_ping = None  # no heartbeat before a client has connected: its task outlives the transport
        opening = socket.queue.get_nowait()
        socket.queue.task_done()
        opening.data["maxPayload"] = MAX_POST_BYTES
        socket.queue.put_nowait(opening)
        transport = Transport(socket, _peer(scope), is_known=self._is_known(scope))
        transport.use_socket(socket_of(scope))
        attach(scope, transport)
        self._await_connect(transport)
        self._make_room(transport)
        self._all[eio_sid] = transport

    def _make_room(self, new: Transport) -> None:
        """At the limit, end a random transport without a client, preferably one without a key, of the busiest peer.

        It is not the oldest one: a peer that opens transports fast enough would then keep all other clients out.
        """
        present = [one for one in self._all.values() if not one.is_evicted]
        if len(present) < self._most:
            return
        free = [one for one in present if not one.is_connected] or [new]
        strangers = [one for one in free if not one.is_known] or free
        counts = Counter(one.peer for one in strangers)
        crowd = max(counts.values())
        chosen = secrets.choice([one for one in strangers if counts[one.peer] == crowd])
        chosen.is_evicted = True
        self._background.do(self.end(chosen))

    def _closed(self, eio_sid: str) -> None:
        transport = self._all.pop(eio_sid, None)
        if transport is not None:
            transport.set_deadline(None)
            self.forget(transport)
            asyncio.get_running_loop().call_soon(transport.end_poll)

    def _await_connect(self, transport: Transport) -> None:
        def time_out() -> None:
            self._background.do(self.end(transport))

        transport.set_deadline(asyncio.get_running_loop().call_later(self._connect_timeout_s(), time_out))


def _peer(scope: Mapping[str, Any]) -> str:
    """Return the IPv4 address of a client, or its /64 network for IPv6."""
    host: str = (scope.get("client") or ("",))[0]
    return ":".join(host.split(":")[:4])


def attach(scope: Scope, transport: Transport) -> None:
    """Store a transport in a scope, for `transport_of`."""
    scope.setdefault("extensions", {})[_TRANSPORT] = transport


def transport_of(scope: Mapping[str, Any]) -> Transport | None:
    """Return the transport that a request or a WebSocket belongs to; None before it was opened."""
    return scope.get("extensions", {}).get(_TRANSPORT)


def opened_by(scope: Mapping[str, Any]) -> Transport:
    """Return the transport that a request has opened."""
    return scope["extensions"][_TRANSPORT]
