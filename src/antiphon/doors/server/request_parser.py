"""HTTP/1.1 requests by h11 at a bounded cost: limits on the head, its lines, and the events per turn.

h11 parses a whole packet in one turn of the loop: 0.2 s for 60 KB of empty headers, 0.7 s for 256 KiB of one-byte
chunks, all before authentication.
"""

from __future__ import annotations

import h11
from h11._receivebuffer import ReceiveBuffer  # pyright: ignore[reportPrivateUsage]  # knows lines before they are parsed

MAX_HEAD_BYTES = 64 * 1024
"""Longest request head."""
MAX_HEADERS = 128
"""Most headers of one request or WebSocket handshake."""
MAX_PARTS = 500
"""Most commas in a head, and most escapes in its request line: each part costs 3 µs."""
EVENTS_A_TURN = 64
"""Most events parsed per turn of the loop: about 1 ms."""
_ENDS = (b"\n\r\n", b"\n\n")


class RequestParser(h11.Connection):
    """The server side of one connection."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
        self._receive_buffer = _Buffer()
        self._left = EVENTS_A_TURN
        self.is_behind = False
        """True when `next_event` has stopped before the end of the input."""

    @property
    def has_rest(self) -> bool:
        """True when there is unparsed input."""
        return bool(self._receive_buffer)

    def begin_turn(self) -> None:
        """Allow `EVENTS_A_TURN` more events."""
        self._left = EVENTS_A_TURN
        self.is_behind = False

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event. Raises `RemoteProtocolError` for a malformed request or too large a head."""
        if not self._left:
            self.is_behind = True
            return h11.NEED_DATA
        self._left -= 1
        return super().next_event()


class _Buffer(ReceiveBuffer):
    """Refuses too large a head or trailer before it is split into lines."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        size = self._head_size()
        lines, commas = self._data.count(b"\n", 0, size), self._data.count(b",", 0, size)
        escapes = self._data.count(b"%", 0, self._data.find(b"\n"))
        if size > MAX_HEAD_BYTES or lines > MAX_HEADERS or max(commas, escapes) > MAX_PARTS:
            raise h11.LocalProtocolError("the head is too large", error_status_hint=431)
        return super().maybe_extract_lines()

    def _head_size(self) -> int:
        """Return the size up to an empty line, or of the whole buffer."""
        found = [at for at in map(self._data.find, _ENDS) if at >= 0]
        return min(found, default=len(self))
