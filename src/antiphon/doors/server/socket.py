"""What a WebSocket application may do besides ASGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

SOCKET = "antiphon.socket"
"""Name of the ASGI extension that holds a `Socket`."""


class Socket(Protocol):
    """What a WebSocket application may do beside ASGI."""

    def write(self, text: bytes) -> bool:
        """Write a text message at once and return True, or False when the client has to be waited for."""
        ...

    async def send_text(self, text: bytes) -> None:
        """Write a text message as soon as the client reads. Raises `OSError` when it has left."""
        ...

    def limit(self, max_bytes: int) -> None:
        """Take no longer messages from now on; before the handshake is complete it holds from there on."""
        ...

    def abort(self) -> None:
        """End the connection without waiting for the client to read anything."""
        ...


def socket_of(scope: Mapping[str, Any]) -> Socket | None:
    """Return the socket behind an ASGI scope, where the server offers it."""
    return scope.get("extensions", {}).get(SOCKET)
