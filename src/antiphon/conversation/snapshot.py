"""A conversation as bytes and back, with no visible difference: in one piece, or its items apart."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from antiphon.conversation.state import Record, State


class _Frame(msgspec.Struct, array_like=True):
    """A state without its items, and their order."""

    state: State
    order: list[str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_frame_decoder = msgspec.msgpack.Decoder(_Frame)
_record_decoder = msgspec.msgpack.Decoder(Record)


def dump(state: State) -> bytes:
    """Return the state as msgpack."""
    return _encoder.encode(state)


def load(data: bytes) -> State:
    """Return the state that `dump` was given. Raises `msgspec.ValidationError` for foreign bytes."""
    return _decoder.decode(data)


def dump_frame(state: State) -> bytes:
    """Return the state without its items, which `dump_item` gives one by one."""
    order = [str(record.item.id) for record in state.records]
    return _encoder.encode(_Frame(replace(state, records=[]), order))


def dump_item(record: Record) -> bytes:
    """Return one item, with what the client does not see of it."""
    return _encoder.encode(record)


def load_frame(frame: bytes) -> State:
    """Return what `dump_frame` gave: a state without its items. Raises `msgspec.ValidationError` for foreign bytes."""
    return _frame_decoder.decode(frame).state


def join(frame: bytes, items: Mapping[str, bytes]) -> State:
    """Return the state of a frame and its items; others are passed over.

    Raises `msgspec.ValidationError` for foreign bytes, and `KeyError` when an item is missing.
    """
    found = _frame_decoder.decode(frame)
    found.state.records = [_record_decoder.decode(items[item_id]) for item_id in found.order]
    return found.state
