"""Reads recordings and writes answers."""

from __future__ import annotations

from pathlib import Path

from antiphon.audio.resample import resample
from antiphon.audio.wav import is_wav, read_wav, write_wav
from antiphon.errors import InvalidRequest

RATE_HZ = 24_000


def read_recording(path: Path) -> bytes:
    """Return a recording as 24 kHz s16le mono. Raises `InvalidRequest`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror}", param="file") from error
    if is_wav(data):
        wav = read_wav(data)
        return resample(wav.data, wav.rate_hz, RATE_HZ)
    from antiphon.audio.containers import decode

    return decode(data, RATE_HZ).data


def save_answer(path: Path, audio: bytes) -> None:
    """Write 24 kHz s16le mono as a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_wav(audio, RATE_HZ))
