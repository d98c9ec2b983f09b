"""What benchmark clients say: a tone, silence, and real speech where the recordings are here."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav

RATE_HZ = 24_000
FRAME_BYTES = RATE_HZ // 50 * 2
"""20 ms of s16le."""
RECORDING = Path(__file__).resolve().parent.parent / "tests" / "audio" / "jfk.wav"


def tone(ms: int = 20) -> bytes:
    """A tone of 400 Hz, a whole number of its periods where ``ms`` is a multiple of 5."""
    count = RATE_HZ * ms // 1000
    samples = (int(9000 * math.sin(2 * math.pi * 400 * index / RATE_HZ)) for index in range(count))
    return struct.pack(f"<{count}h", *samples)


def silence(ms: int = 20) -> bytes:
    """Nothing."""
    return bytes(RATE_HZ * ms // 1000 * 2)


def speech() -> bytes | None:
    """About 11 s of somebody speaking, or None without the recordings of the source checkout."""
    if not RECORDING.is_file():
        return None
    wav = read_wav(RECORDING.read_bytes())
    return resample(wav.data, wav.rate_hz, RATE_HZ)


def frames(pcm: bytes) -> list[bytes]:
    """Cut into 20 ms."""
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]
