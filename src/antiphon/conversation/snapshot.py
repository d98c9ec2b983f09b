"""Encodes a conversation as bytes and back, in one piece or with its items apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from antiphon.conversation.numbered_ids import number_in, numbered
from antiphon.conversation.state import ItemRecord, State


class _Frame(msgspec.Struct, array_like=True):
    """A state without its items, and their order."""

    state: State
    order: Sequence[int | str]
    """Item ids; in long conversations one of ours as its distance to the previous one of ours, because 2,000 full ids
    take 50 KiB."""


_FULL_IDS = 100
"""Most ids that are written in full; the former release reads no others."""


class ItemPosition(msgspec.Struct):
    """The part of an item that says where it is in the history; decoding it skips the rest."""

    position: int
    revision: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_frame_decoder = msgspec.msgpack.Decoder(_Frame)
_record_decoder = msgspec.msgpack.Decoder(ItemRecord)
_position_decoder = msgspec.msgpack.Decoder(ItemPosition)


def dump(state: State) -> bytes:
    """Return the state as msgpack."""
    return _encoder.encode(state)


def load(data: bytes) -> State:
    """Return the state that `dump` was given. Raises `msgspec.ValidationError` for foreign bytes."""
    return _decoder.decode(data)


def dump_frame(state: State) -> bytes:
    """Return the state without its items, which `dump_item` gives one by one."""
    ids = [str(record.item.id) for record in state.records]
    order = ids if len(ids) <= _FULL_IDS else _packed(ids, state.seed)
    return _encoder.encode(_Frame(replace(state, records=[]), order))


def dump_item(record: ItemRecord) -> bytes:
    """Return one item with its internal state."""
    return _encoder.encode(record)


def load_item(data: bytes) -> ItemRecord:
    """Return what `dump_item` was given. Raises `msgspec.ValidationError` for foreign bytes."""
    return _record_decoder.decode(data)


def positions(frame: bytes, items: Mapping[str, bytes]) -> dict[str, ItemPosition]:
    """Return where the items of a frame are, by id. Raises like `join`."""
    found = _frame_decoder.decode(frame)
    return {item_id: _position_decoder.decode(items[item_id]) for item_id in _unpacked(found.order, found.state.seed)}


def load_frame(frame: bytes) -> State:
    """Return what `dump_frame` gave: a state without its items. Raises `msgspec.ValidationError` for foreign bytes."""
    return _frame_decoder.decode(frame).state


def join(frame: bytes, items: Mapping[str, bytes]) -> State:
    """Return the state of a frame and its items; other items are ignored.

    Raises `msgspec.ValidationError` for foreign bytes, and `KeyError` when an item is missing.
    """
    found = _frame_decoder.decode(frame)
    order = _unpacked(found.order, found.state.seed)
    found.state.records = [load_item(items[item_id]) for item_id in order]
    return found.state


def _packed(ids: Iterable[str], seed: str) -> Sequence[int | str]:
    packed: list[int | str] = []
    last = 0
    for item_id in ids:
        number = number_in("item", seed, item_id)
        if number is None:
            packed.append(item_id)
        else:
            packed.append(number - last)
            last = number
    return packed


def _unpacked(packed: Iterable[int | str], seed: str) -> Iterator[str]:
    last = 0
    for one in packed:
        if isinstance(one, int):
            last += one
            yield numbered("item", seed, last)
        else:
            yield one
