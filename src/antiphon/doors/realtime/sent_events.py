"""Events that were sent to a client, as they are saved: whoever resumes the session sends them once more."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from antiphon.conversation.effects import EndSpeech, SendAudio

PIECES = 1 << 16
"""A piece of speech has the number ``position * PIECES + piece``, by its place in the session's pipe."""
_encoder = msgspec.msgpack.Encoder()


class SentEvent(msgspec.Struct, array_like=True, frozen=True):
    """What was sent to the client: as it was, or for speech where it lies; or a gap, of which nothing is known."""

    number: int
    frame: bytes = b""
    audio: SendAudio | None = None
    end: EndSpeech | None = None

    @property
    def is_gap(self) -> bool:
        """True when there was too much to keep up to this event."""
        return not self.frame and self.audio is None and self.end is None


_said_decoder = msgspec.msgpack.Decoder(list[SentEvent])


def pack_events(said: Sequence[SentEvent]) -> bytes:
    """Return a batch as bytes; deltas are much alike, and become small."""
    return zlib.compress(_encoder.encode(said), 1) if said else b""


def events_since(batches: Iterable[bytes], number: int) -> list[SentEvent] | None:
    """Return what was said behind event ``number``, in order and each once; None when it is not all there."""
    found: list[SentEvent] = []
    for batch in batches:
        for said in _said_decoder.decode(zlib.decompress(batch)):
            if said.number > number:
                found.append(said)
                number = said.number
    return None if any(said.is_gap for said in found) else found


def position_of(ref: int) -> int:
    """Return where in the session's pipe a piece of speech lies."""
    return ref // PIECES
