"""Jobs and entries as msgpack, and what an entry weighs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.wire.jobs import (
    AudioReady,
    CallReady,
    Job,
    PipeEntry,
    SentenceReady,
    TextReady,
    TranscriptReady,
    TranslationReady,
)

ENTRY_BYTES = 128
"""What any entry weighs besides its text or audio."""

_encoder = msgspec.msgpack.Encoder()
_entry_decoder: msgspec.msgpack.Decoder[PipeEntry] = msgspec.msgpack.Decoder(PipeEntry)
_job_decoder = msgspec.msgpack.Decoder(Job)


def encode_entry(entry: PipeEntry) -> bytes:
    """Pack one entry."""
    return _encoder.encode(entry)


def decode_entry(data: bytes) -> PipeEntry:
    """Unpack what `encode_entry` packed."""
    return _entry_decoder.decode(data)


def encode_job(job: Job) -> bytes:
    """Pack a job."""
    return _encoder.encode(job)


def decode_job(data: bytes) -> Job:
    """Unpack what `encode_job` packed."""
    return _job_decoder.decode(data)


_PAYLOADS: dict[type, Callable[[Any], int]] = {
    AudioReady: lambda entry: len(entry.audio),
    TextReady: lambda entry: len(entry.text),
    SentenceReady: lambda entry: len(entry.text),
    TranslationReady: lambda entry: len(entry.text),
    CallReady: lambda entry: len(entry.arguments),
    TranscriptReady: lambda entry: 2 * len(entry.text) + ENTRY_BYTES * len(entry.segments),
}


def weigh(entry: PipeEntry) -> int:
    """Return about how many bytes ``entry`` holds in memory."""
    payload = _PAYLOADS.get(type(entry))  # a table: this is asked for every entry of every pipe
    return ENTRY_BYTES if payload is None else ENTRY_BYTES + payload(entry)
