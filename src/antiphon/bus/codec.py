"""Jobs and entries as msgpack, and the size of an entry in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, Union

import msgspec

from antiphon.wire.entries import ENTRY_BYTES, PipeEntry
from antiphon.wire.jobs import Job, Work

T = TypeVar("T")


class _Decoder(Generic[T]):
    """Decodes all registered kinds; features may register more after this module is loaded."""

    def __init__(self, kinds: Sequence[type], shape: Callable[[Any], Any]) -> None:
        self._kinds = kinds
        self._shape = shape
        self._known = 0
        self._decode: Callable[[bytes], T]

    def decode(self, data: bytes) -> T:
        if len(self._kinds) != self._known:
            self._known = len(self._kinds)
            union = Union[tuple(self._kinds)]  # noqa: UP007 -- made of a list
            self._decode = msgspec.msgpack.Decoder(self._shape(union)).decode
        return self._decode(data)


_encoder = msgspec.msgpack.Encoder()
_entries: _Decoder[PipeEntry] = _Decoder(PipeEntry.kinds, lambda kinds: kinds)
_jobs: _Decoder[Job] = _Decoder(Work.kinds, lambda kinds: Job[kinds])


def encode_entry(entry: PipeEntry) -> bytes:
    """Pack one entry."""
    return _encoder.encode(entry)


def decode_entry(data: bytes) -> PipeEntry:
    """Unpack what `encode_entry` packed, in this release or the former one."""
    try:
        return _entries.decode(data)
    except msgspec.ValidationError:  # the former release sends incomplete metadata of a failed fragment
        entry = msgspec.msgpack.decode(data)
        if not isinstance(entry, dict) or "metadata" not in entry:
            raise
        del entry["metadata"]
        return _entries.decode(_encoder.encode(entry))


def encode_job(job: Job) -> bytes:
    """Pack a job."""
    return _encoder.encode(job)


def decode_job(data: bytes) -> Job:
    """Unpack what `encode_job` packed."""
    return _jobs.decode(data)


def weigh(entry: PipeEntry) -> int:
    """Return the approximate size of ``entry`` in memory, in bytes."""
    return ENTRY_BYTES + entry.payload_bytes
