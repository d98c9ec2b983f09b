"""WebSocket frames of RFC 6455 for a server: bytes in, messages out. No socket, no clock, no ``await``.

Extensions are never negotiated, so a reserved bit is always an error.
"""

from __future__ import annotations

import codecs
import struct
from dataclasses import dataclass

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NO_CODE = 1005
PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1002, 1007, 1009
_FIN = 0x80
_MASKED = 0x80
_RESERVED = 0x70
_CONTROL_BYTES = 125
_LENGTH_OF_16_BITS, _LENGTH_OF_64_BITS = 126, 127
_FIRST_BYTES = frozenset({0, 1, 2, *(_FIN | opcode for opcode in (0, 1, 2, 8, 9, 10))})
"""First bytes that are valid: only data frames may be fragmented."""
FRAMES_AT_ONCE = 64
"""Most frames read per turn of the loop: a packet may hold tens of thousands."""
LONG_BYTES = 256 * 2**10
"""Longer text stays bytes: decoding it to a `str` would block the loop for milliseconds."""
_KNOWN_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong with the same data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, or an unsolicited heartbeat."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """The close frame of the peer; `NO_CODE` if it has no code."""

    code: int
    reason: str
    data: bytes


class LongText:
    """A text message above `LONG_BYTES`: valid UTF-8, as bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytearray) -> None:
        self.data = data

    def __len__(self) -> int:
        """Return its size in bytes."""
        return len(self.data)

    def __sizeof__(self) -> int:
        """Return its memory in bytes."""
        return object.__sizeof__(self) + len(self.data)

    def drop(self) -> None:
        """Release the data: later readers find it empty."""
        self.data = bytearray()


Incoming = str | LongText | bytes | bytearray | Ping | Pong | Closing
"""A text message, a binary message (a `bytearray` above `LONG_BYTES`), or a control frame."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection must be closed, and with which code."""

    code: int
    reason: str


class _Broken(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.failure = Failure(code, reason)


class FrameReader:
    """Reads the frames of one client, however the input is split.

    A message is unmasked as it arrives, so an incomplete one takes no more memory than its length.
    """

    __slots__ = (
        "_at",
        "_checked",
        "_fin",
        "_in_frame",
        "_in_message",
        "_is_over",
        "_left",
        "_mask",
        "_max_bytes",
        "_message",
        "_opcode",
        "_rest",
        "failure",
        "has_more",
    )

    def __init__(self, max_bytes: int) -> None:
        self.failure: Failure | None = None
        """Set after a protocol error of the peer; further input is ignored."""
        self.has_more = False
        """True while input remains after `FRAMES_AT_ONCE` frames; ``feed(b"")`` continues."""
        self._is_over = False
        """True after a close frame or a protocol error."""
        self._max_bytes = max_bytes
        self._rest = b""
        """Unread input: further frames, or one with an incomplete head or control payload."""
        self._at = 0
        """Position of the unread input in it."""
        self._message = bytearray()
        self._checked = 0
        """Bytes of a long text that were checked to be UTF-8."""
        self._in_message = False
        self._in_frame = False
        self._opcode = 0
        self._fin = False
        self._left = 0
        self._mask = b""

    @property
    def held_bytes(self) -> int:
        """Bytes of incomplete messages and unread input."""
        return len(self._message) + len(self._rest) - self._at

    def limit(self, max_bytes: int) -> None:
        """Set the longest message, from the next frame on."""
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[Incoming]:
        """Return the complete messages, of at most `FRAMES_AT_ONCE` frames; check `failure` afterwards."""
        events: list[Incoming] = []
        if self._is_over:
            return events
        at = 0
        if not data:
            data, at = self._rest, self._at
        elif self._rest:
            data = self._rest[self._at :] + data
        try:
            at = self._read(data, at, events)
        except _Broken as broken:
            self.failure = broken.failure
            self._is_over = True
            self._message = bytearray()
        if self._is_over or at == len(data):
            self._rest, self._at, self.has_more = b"", 0, False
        elif self.has_more:
            self._rest, self._at = data, at
        else:
            self._rest, self._at = data[at:], 0
        return events

    def _read(self, data: bytes, at: int, events: list[Incoming]) -> int:
        """Read frames of ``data`` from ``at`` on; return the position of the first unread one."""
        size, left = len(data), FRAMES_AT_ONCE
        self.has_more = False
        while not self._is_over:
            if self._in_frame:
                at = self._more(data, at, events)
                if self._in_frame:
                    return at
            if not left:
                self.has_more = True
                return at
            left -= 1
            body, end = _head(data, at)
            if not body:
                return at
            first = data[at]
            if first == _FIN | TEXT and end <= size and not self._in_message and end - body <= self._max_bytes:
                events.append(_decode(apply_mask(data[body:end], data[body - 4 : body])))
            elif first < _FIN | CLOSE:
                self._begin(first, end - body, data[body - 4 : body])
                end = body
            elif end <= size:
                self._control(first & 15, apply_mask(data[body:end], data[body - 4 : body]), events)
            else:
                return at
            at = end
        return size

    def _begin(self, first: int, length: int, mask: bytes) -> None:
        """Begin a data frame whose head is complete."""
        opcode = first & 15
        if (opcode == CONTINUATION) != self._in_message:
            reason = "unexpected continuation" if opcode == CONTINUATION else "a message was not finished"
            raise _Broken(PROTOCOL_ERROR, reason)
        if len(self._message) + length > self._max_bytes:
            raise _too_big(self._max_bytes)
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._in_message = self._in_frame = True
        self._fin, self._left, self._mask = first >= _FIN, length, mask

    def _more(self, data: bytes, at: int, events: list[Incoming]) -> int:
        """Read the available payload of a data frame; return the position after it."""
        part = data[at : at + self._left]
        taken = len(part)
        self._message += apply_mask(part, self._mask)
        self._left -= taken
        if self._opcode == TEXT and len(self._message) > LONG_BYTES:
            self._check(is_whole=self._fin and not self._left)
        if self._left:
            turn = taken % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            return at + taken
        self._in_frame = False
        if self._fin:
            message, self._message = self._message, bytearray()
            self._in_message = False
            self._checked = 0
            events.append(_whole(message, is_text=self._opcode == TEXT))
        return at + taken

    def _check(self, *, is_whole: bool) -> None:
        """Check that the next part of a long text is UTF-8."""
        try:
            _, good_bytes = codecs.utf_8_decode(self._message[self._checked :], "strict", is_whole)
        except UnicodeDecodeError as error:
            raise _no_utf_8(error, self._checked) from error
        self._checked += good_bytes

    def _control(self, opcode: int, payload: bytes, events: list[Incoming]) -> None:
        if opcode == PING:
            events.append(Ping(payload))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            events.append(_closing(payload))
            self._is_over = True


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Return begin and end of the payload of the frame at ``at``; ``0, 0`` while its head is incomplete."""
    size = len(data) - at
    if size < 2:
        return 0, 0
    first, second = data[at], data[at + 1]
    if first not in _FIRST_BYTES or second < _MASKED:
        raise _Broken(PROTOCOL_ERROR, _fault(first))
    length, body = second & 0x7F, at + 6
    if length == _LENGTH_OF_16_BITS:
        body = at + 8
        length = int.from_bytes(data[at + 2 : at + 4], "big")
    elif length == _LENGTH_OF_64_BITS:
        body = at + 14
        length = int.from_bytes(data[at + 2 : at + 10], "big")
    if length > _CONTROL_BYTES and first >= _FIN | CLOSE:
        raise _Broken(PROTOCOL_ERROR, "a control frame has at most 125 bytes")
    return (body, body + length) if size >= body - at else (0, 0)


def _fault(first: int) -> str:
    """Return the protocol error of a frame by its first byte."""
    if first & _RESERVED:
        return "reserved bits must be 0"
    if first in _FIRST_BYTES:
        return "a client must mask its frames"
    return "unknown opcode" if first | _FIN not in _FIRST_BYTES else "a control frame cannot be cut in pieces"


def _whole(message: bytearray, *, is_text: bool) -> str | LongText | bytes | bytearray:
    if len(message) > LONG_BYTES:
        return LongText(message) if is_text else message
    return _decode(message) if is_text else bytes(message)


def _decode(payload: bytes | bytearray) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise _no_utf_8(error, 0) from error


def _no_utf_8(error: UnicodeDecodeError, before_bytes: int) -> _Broken:
    return _Broken(BAD_DATA, f"text is not UTF-8: {error.reason} at byte {before_bytes + error.start}")


def _closing(payload: bytes) -> Closing:
    if not payload:
        return Closing(NO_CODE, "", payload)
    if len(payload) == 1:
        raise _Broken(PROTOCOL_ERROR, "a close code has two bytes")
    code = int.from_bytes(payload[:2], "big")
    if code not in _KNOWN_CODES and not 3000 <= code < 5000:
        raise _Broken(PROTOCOL_ERROR, "no such close code")
    return Closing(code, _decode(payload[2:]), payload)


def _too_big(most: int) -> _Broken:
    return _Broken(TOO_BIG, f"a message has at most {most} bytes")


def frame(opcode: int, payload: bytes | bytearray) -> bytes:
    """Return a whole, unmasked frame."""
    return frame_head(opcode, len(payload)) + payload


def frame_head(opcode: int, size: int) -> bytes:
    """Return the head of a whole, unmasked frame."""
    if size < 126:
        return bytes((_FIN | opcode, size))
    if size < 2**16:
        return struct.pack("!BBH", _FIN | opcode, 126, size)
    return struct.pack("!BBQ", _FIN | opcode, 127, size)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; too long a reason is cut between characters."""
    words = reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + words)
