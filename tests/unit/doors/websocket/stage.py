"""Connections without their sockets: the peer, the server's socket and the session are played here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from antiphon.doors.server.socket import SOCKET
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Account


class Peer:
    """The other side of a connection, as ASGI shows it."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.has_left = False

    async def receive(self) -> dict[str, Any]:
        return await self.frames.get()

    async def send(self, message: dict[str, Any]) -> None:
        if self.has_left:
            raise ConnectionResetError
        self.sent.append(message)

    def says(self, **frame: Any) -> None:
        self.frames.put_nowait({"type": "websocket.receive", **frame})

    def leaves(self, **fields: Any) -> None:
        self.frames.put_nowait({"type": "websocket.disconnect", **fields})


class Socket:
    """What the server offers beside ASGI."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.written: list[bytes] = []
        self.aborted = 0

    def write(self, text: bytes) -> bool:
        if self.takes:
            self.written.append(text)
        return self.takes

    async def send_text(self, text: bytes) -> None:
        self.written.append(text)

    def abort(self) -> None:
        self.aborted += 1


class Echo:
    """A session that echoes its frames, and fails where it is told to."""

    def __init__(self, connection: Connection, *, fails_at: str = "") -> None:
        self.connection = connection
        self.done: list[str] = []
        self.got: list[Any] = []
        self.looks = 0
        """How often somebody has asked whether it is answering."""
        self._is_answering = False
        self._fails_at = fails_at

    @property
    def is_answering(self) -> bool:
        self.looks += 1
        return self._is_answering

    @is_answering.setter
    def is_answering(self, value: bool) -> None:
        self._is_answering = value

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self._fails_at:
            raise ValueError(what)

    def open(self) -> None:
        self._do("open")
        if self._fails_at == "hang up at once":
            self.connection.hang_up(1008, "no")

    async def frame(self, frame: str | bytes | None) -> None:
        self._do("frame")
        self.got.append(frame)
        await self.connection.send_text(f"you said {frame!r}".encode())

    async def flushed(self) -> None:
        self._do("flushed")

    async def close(self) -> None:
        self._do("close")


class Stage:
    """One connection under way."""

    def __init__(self, connections: ConnectionRegistry, *, socket: Socket | None = None, fails_at: str = "") -> None:
        self.peer = Peer()
        self.session: Echo | None = None
        self._connections = connections
        self._fails_at = fails_at
        self._scope = {"headers": [], "extensions": {} if socket is None else {SOCKET: socket}}
        self.connection: Connection | None = None

    async def run(self) -> None:
        with self._connections.connect(self._scope, self.peer.receive, self.peer.send) as connection:
            self.connection = connection

            def make(group: asyncio.TaskGroup) -> Echo:
                self.session = Echo(connection, fails_at=self._fails_at)
                return self.session

            await connection.run(make, session_id="sess_1", tenant="default", key_id="key_1")


def connections(*, most: int = 10) -> ConnectionRegistry:
    return ConnectionRegistry(Metrics(), most=most)


@contextlib.asynccontextmanager
async def running(everyone: ConnectionRegistry, count: int = 1) -> AsyncIterator[list[Stage]]:
    """Run some connections; all must have ended when the block does."""
    stages = [Stage(everyone) for _ in range(count)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for stage in stages:
            group.create_task(stage.run())
        while any(stage.connection is None or stage.session is None or not stage.session.done for stage in stages):
            await asyncio.sleep(0)
        yield stages


def ask(everyone: ConnectionRegistry, key: str = "key_one") -> None:
    """Take a place and leave it."""
    with everyone.place(Account("t", key)):
        pass
