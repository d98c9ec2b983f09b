"""Workers of the dubbing door without a network, over a WebSocket and over HTTP requests."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tests.abuse import in_process
from tests.abuse.in_process import Peer

_PATH = "/socket.io/?EIO=4&transport="
_OVER = frozenset({"41", "1"})
"""What the server says when it ends a connection."""


class Wire(Protocol):
    """What packets of Engine.IO go over."""

    frames: list[str]
    """Packets that have come."""

    async def open(self) -> None: ...

    async def send(self, packet: str) -> None: ...

    async def receive(self) -> str | None:
        """Return the next packet, None where the server has ended it."""
        ...

    async def lose(self) -> None: ...


class SocketWire:
    """A WebSocket."""

    def __init__(self, app: Any, key: str) -> None:
        self._peer = Peer(app, f"{_PATH}websocket", key)
        self.frames = self._peer.frames

    async def open(self) -> None:
        """Shake hands."""
        assert await self._peer.open() == (101, None)

    async def send(self, packet: str) -> None:
        """Send a packet."""
        self._peer.send(packet)

    async def receive(self) -> str | None:
        """Return the next packet."""
        return await self._peer.frame_or_close()

    async def lose(self) -> None:
        """End it without a word."""
        await self._peer.leave(1006)


class PollingWire:
    """HTTP requests."""

    def __init__(self, app: Any, key: str) -> None:
        self._app = app
        self._key = key
        self._path = f"{_PATH}polling"
        self._waiting: list[str] = []
        self.frames: list[str] = []

    async def open(self) -> None:
        """Open a session."""
        (packet,) = await self._poll()
        self._path += f"&sid={json.loads(packet[1:])['sid']}"

    async def send(self, packet: str) -> None:
        """Send a packet in a body."""
        assert await in_process.request(self._app, "POST", self._path, self._key, packet.encode()) == (200, b"OK")

    async def receive(self) -> str | None:
        """Return the next packet, and fetch some where none waits."""
        self._waiting = self._waiting or await self._poll()
        return self._waiting.pop(0) if self._waiting else None

    async def lose(self) -> None:
        """Say that it is over: time alone would tell it otherwise."""
        await in_process.request(self._app, "POST", self._path, self._key, b"1")

    async def _poll(self) -> list[str]:
        status, body = await in_process.request(self._app, "GET", self._path, self._key)
        packets = body.decode().split("\x1e") if status == 200 else []
        self.frames += packets
        return packets


class Worker:
    """One connection of Socket.IO."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def frames(self) -> list[str]:
        """All that has come."""
        return self._wire.frames

    @property
    def is_over(self) -> bool:
        """True where what has come says so."""
        return bool(_OVER & set(self.frames))

    async def greet(self) -> None:
        """Shake hands, first of Engine.IO and then of Socket.IO."""
        await self._wire.open()
        await self._wire.send("40")
        while not (await self._take()).startswith("40{"):
            pass

    async def emit(self, name: str, payload: dict[str, Any]) -> None:
        """Send an event."""
        await self._wire.send(f"42{json.dumps([name, payload])}")

    async def next(self, name: str) -> Any:
        """Return the payload of the next event of this name."""
        while not (packet := await self._take()).startswith(f'42["{name}"'):
            pass
        return json.loads(packet[2:])[1]

    async def ended(self) -> None:
        """Return when the server has ended it."""
        while (packet := await self._wire.receive()) is not None and packet not in _OVER:
            pass
        await self._wire.lose()

    async def lose(self) -> None:
        """Lose the connection."""
        await self._wire.lose()

    async def _take(self) -> str:
        packet = await self._wire.receive()
        assert packet is not None, "the server has ended the connection"
        return packet
