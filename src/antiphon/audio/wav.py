"""WAV files in memory. Headers are not believed: sizes are bounded by the bytes that are there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.g711 import decode_alaw, decode_ulaw
from antiphon.audio.sound import Sound
from antiphon.errors import InvalidRequest

_UNKNOWN_SIZE = 0xFFFFFFFF
_PCM, _FLOAT, _ALAW, _ULAW = 1, 3, 6, 7
_EXTENSIBLE = 0xFFFE
_RATES_HZ = range(1_000, 384_001)
_CHANNELS = range(1, 33)


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate_hz: int
    bits: int


def is_wav(data: bytes) -> bool:
    """Say whether ``data`` begins like a WAV file."""
    return data[:4] in {b"RIFF", b"RF64"} and data[8:12] == b"WAVE"


def is_plain_wav(data: bytes) -> bool:
    """Say whether ``data`` is a WAV file whose samples `read_wav` understands; others need a decoder."""
    if not is_wav(data):
        return False
    body = next((body for name, body in _chunks(data) if name == b"fmt "), b"")
    return len(body) < 16 or _tag(body) in {_PCM, _FLOAT, _ALAW, _ULAW}  # a broken one is `read_wav`'s to refuse


def wav_header(rate_hz: int, data_bytes: int | None = None, *, channels: int = 1, is_float: bool = False) -> bytes:
    """Return the 44 bytes before samples of 16 bits, or floats of 32.

    ``data_bytes`` None is a stream whose length nobody knows yet.
    """
    data_size = _UNKNOWN_SIZE if data_bytes is None else data_bytes
    tag, sample_bytes = (_FLOAT, 4) if is_float else (_PCM, 2)
    frame_bytes = channels * sample_bytes
    riff_size = min(data_size + 36, _UNKNOWN_SIZE)
    head = struct.pack("<4sI4s", b"RIFF", riff_size, b"WAVE")
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * sample_bytes
    )
    return head + form + struct.pack("<4sI", b"data", data_size)


def write_wav(data: bytes, rate_hz: int) -> bytes:
    """Return a WAV file of mono s16le samples."""
    return wav_header(rate_hz, len(data)) + data


def read_wav(data: bytes) -> Sound:
    """Read a WAV file: PCM of 8 to 32 bits, float, A-law or mu-law, any number of channels up to 32.

    A data chunk that claims more than there is, or nothing (as live streams do), gives what is there.
    Raises `InvalidRequest` with param ``file`` for everything else.
    """
    if not is_wav(data):
        raise _invalid("this is not a WAV file")
    form: _Format | None = None
    for name, body in _chunks(data):
        if name == b"fmt ":
            form = _read_format(body)
        elif name == b"data":
            if form is None:
                raise _invalid("the WAV file has samples before their format")
            return Sound(_mono(form, body), form.rate_hz)
    raise _invalid("the WAV file holds no samples")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    endless = struct.unpack_from("<I", data, 4)[0] in {0, _UNKNOWN_SIZE}
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data" and size == 0 and endless:
            size = len(data) - position
        yield name, data[position : position + size]
        position += size + (size & 1)


def _read_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise _invalid("the WAV file's format is cut off")
    _, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if channels not in _CHANNELS or rate_hz not in _RATES_HZ:
        raise _invalid(f"the WAV file claims {channels} channels at {rate_hz} Hz")
    return _Format(_tag(body), channels, rate_hz, bits)


def _tag(body: bytes) -> int:
    tag = struct.unpack_from("<H", body)[0]
    is_extensible = tag == _EXTENSIBLE and len(body) >= 26
    return struct.unpack_from("<H", body, 24)[0] if is_extensible else tag


def _mono(form: _Format, body: bytes) -> bytes:
    frame_bytes = form.channels * max(1, form.bits // 8)
    body = body[: len(body) // frame_bytes * frame_bytes]
    if (form.tag, form.bits, form.channels) == (_PCM, 16, 1):
        return body
    samples = _samples(form, body)
    if form.channels > 1:
        samples = samples.reshape(-1, form.channels).mean(axis=1)
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _samples(form: _Format, body: bytes) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return interleaved samples on the scale of 16 bits."""
    match form.tag, form.bits:
        case (1, 8):
            return (np.frombuffer(body, np.uint8).astype(np.float32) - 128) * 256
        case (1, 16):
            return np.frombuffer(body, "<i2").astype(np.float32)
        case (1, 24):
            wide = np.zeros((len(body) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
            return wide.reshape(-1).view("<i4").astype(np.float32) / 65536
        case (1, 32):
            return np.frombuffer(body, "<i4").astype(np.float32) / 65536
        case (3, 32):
            return np.nan_to_num(np.frombuffer(body, "<f4")) * 32768
        case (3, 64):
            return np.nan_to_num(np.frombuffer(body, "<f8")) * 32768
        case (6, 8):
            return np.frombuffer(decode_alaw(body), "<i2").astype(np.float32)
        case (7, 8):
            return np.frombuffer(decode_ulaw(body), "<i2").astype(np.float32)
        case _:
            raise _invalid(f"WAV format {form.tag} with {form.bits} bits is not supported")


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="file", code="invalid_audio")
