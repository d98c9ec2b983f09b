"""The ASGI extension through which a WebSocket application reaches its socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

SOCKET = "antiphon.socket"
"""Name of the ASGI extension that holds a `Socket`."""


class Socket(Protocol):
    """Operations of a WebSocket application that ASGI does not have."""

    def write(self, text: bytes) -> bool:
        """Write a text message at once and return True, or return False when the client is not ready."""
        ...

    async def send_text(self, text: bytes) -> None:
        """Write a text message as soon as the client reads. Raises `OSError` when it has disconnected."""
        ...

    def limit(self, max_bytes: int) -> None:
        """Set the longest message from now on, or from the end of the handshake."""
        ...

    def abort(self) -> None:
        """Close the connection at once, without a close handshake."""
        ...


def socket_of(scope: Mapping[str, Any]) -> Socket | None:
    """Return the socket of an ASGI scope, None under another server."""
    return scope.get("extensions", {}).get(SOCKET)
