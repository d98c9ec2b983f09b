"""Jobs and entries as msgpack, and what an entry weighs."""

from __future__ import annotations

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


def weigh(entry: PipeEntry) -> int:
    """Return about how many bytes ``entry`` holds in memory."""
    match entry:
        case AudioReady(audio=audio):
            return ENTRY_BYTES + len(audio)
        case TextReady(text=text) | SentenceReady(text=text) | TranslationReady(text=text):
            return ENTRY_BYTES + len(text)
        case TranscriptReady(text=text, segments=segments):
            return ENTRY_BYTES * (1 + len(segments)) + 2 * len(text)
        case CallReady(arguments=arguments):
            return ENTRY_BYTES + len(arguments)
        case _:
            return ENTRY_BYTES
