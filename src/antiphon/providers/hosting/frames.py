"""What passes between the server and an engine in a process of its own: msgpack, each with its length before it."""

from __future__ import annotations

import struct

import msgspec

MAX_FRAME_BYTES = 16 * 2**20
LENGTH = struct.Struct("<I")
"""Of the body, before it."""


class Request(msgspec.Struct, frozen=True, tag_field="type"):
    """What the server asks for. ``id`` grows with every request."""

    id: int


class Say(Request, frozen=True, tag="say"):
    """Speak one sentence; answered by `Audio` pieces and `Done`."""

    text: str
    voice: str = ""
    language: str = ""
    speed: float = 1.0


class Phonemize(Request, frozen=True, tag="phonemize"):
    """Write one sentence in the signs of the IPA; answered by `Phonemes` and `Done`."""

    text: str
    language: str = ""


class Cancel(Request, frozen=True, tag="cancel"):
    """Stop the request of this id, which may be over already; never answered."""


class Reply(msgspec.Struct, frozen=True, tag_field="type"):
    """What the engine answers to the request ``id``."""

    id: int


class Ready(Reply, frozen=True, tag="ready"):
    """The engine is loaded. The first reply, with id 0."""

    rate_hz: int
    voices: tuple[tuple[str, str, str], ...] = ()
    """Id, language and description of each."""


class Audio(Reply, frozen=True, tag="audio"):
    """The next piece of speech, s16le mono."""

    pcm: bytes


class Phonemes(Reply, frozen=True, tag="phonemes"):
    """The sentence in the signs of the IPA; punctuation stays."""

    text: str


class Done(Reply, frozen=True, tag="done"):
    """The last reply to a request, cancelled ones included."""


class Failed(Reply, frozen=True, tag="failed"):
    """The last reply to a request that went wrong; with id 0 the engine could not be loaded."""

    message: str


AnyRequest = Say | Phonemize | Cancel
AnyReply = Ready | Audio | Phonemes | Done | Failed

_encoder = msgspec.msgpack.Encoder()


def frame(message: msgspec.Struct) -> bytes:
    """Return the bytes of one message."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes; return the bodies that are complete. Raises `ValueError` on a broken length."""
        self._rest += data
        bodies: list[bytes] = []
        while len(self._rest) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._rest)
            if size > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {size} bytes")
            end = LENGTH.size + size
            if len(self._rest) < end:
                break
            bodies.append(bytes(self._rest[LENGTH.size : end]))
            del self._rest[:end]
        return bodies


def decode_request(body: bytes) -> AnyRequest:
    """Read a request. Raises `msgspec.MsgspecError`, a `ValueError`."""
    return _requests.decode(body)


def decode_reply(body: bytes) -> AnyReply:
    """Read a reply. Raises `msgspec.MsgspecError`, a `ValueError`."""
    return _replies.decode(body)


_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)
