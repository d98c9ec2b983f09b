"""PyAV, which is optional, for files in memory and on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from antiphon.errors import InvalidRequest, Unsupported

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Rates of both MP3 and AAC."""
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)

_MAX_BROKEN_PACKETS = 100


def need_av(extra: str = "local") -> None:
    """Check that PyAV is installed. Raises `Unsupported` with the command that installs it."""
    if find_spec("av") is None:
        raise Unsupported(f"this kind of audio needs PyAV: pip install 'antiphon[{extra}]'", code="library_missing")


def nearest_rate(rate_hz: int, rates_hz: tuple[int, ...]) -> int:
    """Return the lowest of ``rates_hz`` that is at least ``rate_hz``, else the highest; without rates ``rate_hz``."""
    if not rates_hz:
        return rate_hz
    return min((rate for rate in rates_hz if rate >= rate_hz), default=rates_hz[-1])


def decoded(source: InputContainer, track: AudioStream, within_s: float = math.inf) -> Iterator[AudioFrame]:
    """Yield the frames of a track; up to a hundred broken packets are skipped, one more ends it.

    Raises `InvalidRequest` with param ``file`` if that takes longer than ``within_s``.
    """
    from av.error import FFmpegError

    deadline, broken = time.monotonic() + within_s, 0
    packets = source.demux(track)
    while True:
        try:
            packet = next(packets, None)
            frames = packet.decode() if packet else []
        except FFmpegError:
            broken += 1
            if broken > _MAX_BROKEN_PACKETS:
                return
            continue
        if packet is None:
            return
        if time.monotonic() > deadline:
            raise invalid_audio(f"the file cannot be decoded within {within_s:g} s")
        yield from frames


def invalid_audio(message: str) -> InvalidRequest:
    """Return the error for a file without usable sound."""
    return InvalidRequest(message, param="file", code="invalid_audio")
