"""Messages between the server and an engine's process: msgpack, each prefixed with its length."""

from __future__ import annotations

import struct

import msgspec

MAX_FRAME_BYTES = 16 * 2**20
LENGTH = struct.Struct("<I")
"""The length prefix of a frame: bytes of the body."""


class Request(msgspec.Struct, frozen=True, tag_field="type"):
    """A request of the server. ``id`` grows with every request."""

    id: int


class Say(Request, frozen=True, tag="say"):
    """Speak one sentence; answered by `Audio` pieces and `Done`."""

    text: str
    voice: str = ""
    language: str = ""
    speed: float = 1.0


class Phonemize(Request, frozen=True, tag="phonemize"):
    """Transcribe one sentence into IPA; answered by `Phonemes` and `Done`."""

    text: str
    language: str = ""


class Cancel(Request, frozen=True, tag="cancel"):
    """Stop the request with this id, which may have ended already; has no reply."""


class Reply(msgspec.Struct, frozen=True, tag_field="type"):
    """A reply of the engine to the request ``id``."""

    id: int


class Ready(Reply, frozen=True, tag="ready"):
    """The engine is loaded. The first reply, with id 0."""

    rate_hz: int
    voices: tuple[tuple[str, str, str], ...] = ()
    """Id, language and description of each voice."""


class Audio(Reply, frozen=True, tag="audio"):
    """The next piece of speech, s16le mono."""

    pcm: bytes


class Phonemes(Reply, frozen=True, tag="phonemes"):
    """The sentence in IPA; punctuation is kept."""

    text: str


class Done(Reply, frozen=True, tag="done"):
    """The last reply to a request, cancelled ones included."""


class Failed(Reply, frozen=True, tag="failed"):
    """The last reply to a failed request; with id 0 the engine could not be loaded."""

    message: str


AnyRequest = Say | Phonemize | Cancel
AnyReply = Ready | Audio | Phonemes | Done | Failed

_encoder = msgspec.msgpack.Encoder()


def frame(message: msgspec.Struct) -> bytes:
    """Return the bytes of one message."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Splits a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the complete bodies. Raises `ValueError` for an excessive length."""
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
    """Decode a request. Raises `msgspec.MsgspecError`, a `ValueError`."""
    return _requests.decode(body)


def decode_reply(body: bytes) -> AnyReply:
    """Decode a reply. Raises `msgspec.MsgspecError`, a `ValueError`."""
    return _replies.decode(body)


_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)
