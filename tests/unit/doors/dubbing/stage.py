"""The parts of the dubbing door over the real Socket.IO library, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import socketio

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import Access, Identity
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.doors.dubbing.polling import Polling
from antiphon.doors.dubbing.socketio import PATH, WatchedServer, socketio_server
from antiphon.doors.dubbing.transports import Transport, Transports, opened_by
from antiphon.doors.server.exchange import Exchange, extensions_of
from antiphon.doors.server.socket import SOCKET
from antiphon.observe.tasks import TrackedTasks
from antiphon.wire.dubbing_client import StreamInit, parse
from tests.unit.doors.asgi_call import Answered, receiver
from tests.unit.dubbing.stages import init

KEY = "sk-one-0123456789abc"
IDENTITY = Identity("default", "key")


def access(*keys: str) -> tuple[Access, EphemeralSecrets]:
    """Return who may call, and the client secrets that count."""
    secrets = EphemeralSecrets(b"0123456789abcdef0123456789abcdef")
    return Access(keys, secrets, VirtualClock()), secrets


def parsed_init(**fields: Any) -> StreamInit:
    """Return the parameters of a stream."""
    return parse(init(**fields), StreamInit)


class Wire:
    """A WebSocket as the server offers it to applications."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.aborted = 0

    def write(self, text: bytes) -> bool:
        raise AssertionError(f"the library writes, not the door: {text!r}")

    async def send_text(self, text: bytes) -> None:
        raise AssertionError(f"the library writes, not the door: {text!r}")

    def limit(self, max_bytes: int) -> None:
        self.limits.append(max_bytes)

    def abort(self) -> None:
        self.aborted += 1


class Carrier:
    """The connection of an HTTP request."""

    is_too_much_to_read = False

    def __init__(self) -> None:
        self.admitted = 0
        self.held: list[int] = []
        self.evicted = 0

    def admit(self) -> None:
        self.admitted += 1

    def hold(self, held_bytes: int) -> None:
        self.held.append(held_bytes)

    def evict(self) -> None:
        self.evicted += 1


def scope(
    method: str = "GET",
    query: str = "EIO=4&transport=polling",
    *,
    kind: str = "http",
    headers: Sequence[tuple[bytes, bytes]] = ((b"host", b"localhost"),),
    peer: str = "127.0.0.1",
    wire: Wire | None = None,
) -> Any:
    """Return the scope of a request or of a WebSocket."""
    return {
        "type": kind,
        "method": method,
        "path": f"{PATH}/",
        "query_string": query.encode(),
        "headers": list(headers),
        "client": (peer, 1),
        "extensions": {} if wire is None else {SOCKET: wire},
    }


class Library:
    """A server of the library, and the transports that open in it."""

    def __init__(
        self,
        *,
        most: int = 4,
        connect_timeout_s: float = 10.0,
        is_known: Callable[[Mapping[str, Any]], bool] = lambda _: False,
    ) -> None:
        self.server: WatchedServer = socketio_server(VirtualClock(), ping_interval_s=25, ping_timeout_s=20)
        self.background = TrackedTasks("test")
        self.transports = Transports(
            self.server, self.background, most=most, connect_timeout_s=lambda: connect_timeout_s, is_known=is_known
        )
        self.app: Any = socketio.ASGIApp(self.server, socketio_path=PATH)
        self.polling = Polling(self.app, self.transports)

    async def open(self, **given: Any) -> Transport:
        """Open a polling session."""
        asked = scope(**given)
        answered = await self.asked(asked)
        assert answered.status == 200, answered.body
        return opened_by(asked)

    async def asked(self, asked: Any, *chunks: bytes, gone: bool = False) -> Answered:
        """Return the answer to one request."""
        answered = Answered()
        await self.polling(asked, receiver(*chunks, gone=gone), answered.send)
        return answered

    async def post(
        self, transport: Transport, *chunks: bytes, carrier: Carrier | None = None, **given: Any
    ) -> Answered:
        """Send a body to a session."""
        asked = scope("POST", f"EIO=4&transport=polling&sid={transport.socket.sid}")
        if carrier is not None:
            asked["extensions"] = extensions_of(Exchange(carrier, receiver(), Answered().send))
        if "declared" in given:
            asked["headers"].append((b"content-length", str(given.pop("declared")).encode()))
        return await self.asked(asked, *chunks, **given)

    async def poll(self, transport: Transport) -> Answered:
        """Poll a session once."""
        return await self.asked(scope(query=f"EIO=4&transport=polling&sid={transport.socket.sid}"))

    def has(self, transport: Transport) -> bool:
        """Say whether the library still knows a session."""
        return transport.socket.sid in self.server.eio.sockets


def opening(answered: Answered) -> Any:
    """Return the content of the packet that opens a session."""
    assert answered.body[:1] == b"0"
    return json.loads(answered.body[1:])
