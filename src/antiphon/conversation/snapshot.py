"""A conversation as bytes and back, with no visible difference."""

from __future__ import annotations

import msgspec

from antiphon.conversation.state import State

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def dump(state: State) -> bytes:
    """Return the state as msgpack."""
    return _encoder.encode(state)


def load(data: bytes) -> State:
    """Return the state that `dump` was given. Raises `msgspec.ValidationError` for foreign bytes."""
    return _decoder.decode(data)
