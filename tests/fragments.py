"""Fragments of dubbing, read in one go: what the pipeline and its decoder do together."""

from __future__ import annotations

from antiphon.audio.containers import decode
from antiphon.audio.fragments import (
    MAX_FILE_S,
    MAX_WORK_S,
    SPEECH_RATE_HZ,
    DecodedFragment,
    file_errors,
    fragment_of,
    read_samples,
)


def decode_fragment(data: bytes, format: str, rate_hz: int, channels: int) -> DecodedFragment:  # noqa: A002 - the wire's word
    """Return what a fragment holds. Raises as the pipeline does."""
    decoded = read_samples(data, format, rate_hz, channels)
    if decoded is not None:
        return decoded
    with file_errors():
        sound = decode(data, SPEECH_RATE_HZ, max_duration_s=MAX_FILE_S, max_work_s=MAX_WORK_S)
    return fragment_of(sound.data)
