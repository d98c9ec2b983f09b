"""HTTP/1.1 requests by h11, at a bounded cost: so long a head, so many lines in it, so many events at a time.

h11 reads all that a packet holds before anything else has its turn: 60 KB of empty headers take it 0.2 s, 256 KiB of
one-byte chunks 0.7 s, and no key has been looked at by then.
"""

from __future__ import annotations

import h11
from h11._receivebuffer import ReceiveBuffer  # pyright: ignore[reportPrivateUsage]  # knows lines before they are parsed

MAX_HEAD_BYTES = 64 * 1024
"""Longest request head."""
MAX_HEADERS = 128
"""In one request; a WebSocket handshake may have as many."""
MAX_PARTS = 500
"""Commas of lists, and escapes in the request line: what is between them is read one by one, at 3 µs a piece."""
EVENTS_A_TURN = 64
"""So many chunks of a body are read before others have their turn: about 1 ms."""
_ENDS = (b"\n\r\n", b"\n\n")


class RequestParser(h11.Connection):
    """The server's side of one connection."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
        self._receive_buffer = _Buffer()
        self._left = EVENTS_A_TURN
        self.is_behind = False
        """True when `next_event` has stopped although there may be more to read."""

    @property
    def has_rest(self) -> bool:
        """True when bytes have come that belong to no event yet."""
        return bool(self._receive_buffer)

    def begin_turn(self) -> None:
        """Allow `EVENTS_A_TURN` more events."""
        self._left = EVENTS_A_TURN
        self.is_behind = False

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event. Raises `RemoteProtocolError` for what is no request, and for too large a head."""
        if not self._left:
            self.is_behind = True
            return h11.NEED_DATA
        self._left -= 1
        return super().next_event()


class _Buffer(ReceiveBuffer):
    """Refuses a head, or a trailer, before it is cut into lines."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        size = self._head_size()
        lines, commas = self._data.count(b"\n", 0, size), self._data.count(b",", 0, size)
        escapes = self._data.count(b"%", 0, self._data.find(b"\n"))
        if size > MAX_HEAD_BYTES or lines > MAX_HEADERS or max(commas, escapes) > MAX_PARTS:
            raise h11.LocalProtocolError("the head is too large", error_status_hint=431)
        return super().maybe_extract_lines()

    def _head_size(self) -> int:
        """Return the size of what comes before an empty line, or of all that is here."""
        found = [at for at in map(self._data.find, _ENDS) if at >= 0]
        return min(found, default=len(self))
