"""The saved form of events that were sent to a client: a resumption replays them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from antiphon.conversation.effects import EndSpeech, SendAudio

PIECES = 1 << 16
"""Factor in the number of a piece of speech: ``position * PIECES + piece``, with its position in the session's pipe."""
_encoder = msgspec.msgpack.Encoder()


class SentEvent(msgspec.Struct, array_like=True, frozen=True):
    """An event that was sent: its frame, the place of its speech in the pipe, or a gap: events that were not kept."""

    number: int
    frame: bytes = b""
    audio: SendAudio | None = None
    end: EndSpeech | None = None

    @property
    def is_gap(self) -> bool:
        """True when this event and earlier ones were dropped."""
        return not self.frame and self.audio is None and self.end is None


_decoder = msgspec.msgpack.Decoder(list[SentEvent])


def pack_events(events: Sequence[SentEvent]) -> bytes:
    """Return a batch as compressed bytes."""
    return zlib.compress(_encoder.encode(events), 1) if events else b""


def events_since(batches: Iterable[bytes], number: int) -> list[SentEvent] | None:
    """Return the events after event ``number``, in order and each once; None when some are missing."""
    found: list[SentEvent] = []
    for batch in batches:
        for event in _decoder.decode(zlib.decompress(batch)):
            if event.number > number:
                found.append(event)
                number = event.number
    return None if any(event.is_gap for event in found) else found


def position_of(ref: int) -> int:
    """Return the position of a piece of speech in the session's pipe."""
    return ref // PIECES
