"""WAV files in memory. Claimed sizes are bounded by the size of the file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.chunks import RIFF, are_chunks
from antiphon.audio.claims.source import ByteSource
from antiphon.audio.g711 import decode_alaw, decode_ulaw
from antiphon.audio.pcm import Pcm
from antiphon.errors import InvalidRequest

_UNKNOWN_SIZE = 0xFFFFFFFF
_PCM, _FLOAT, _ALAW, _ULAW = 1, 3, 6, 7
_EXTENSIBLE = 0xFFFE
RATES_HZ = range(1_000, 384_001)
"""Accepted sample rates of WAV and all other files."""
CHANNELS = range(1, 33)
"""Accepted numbers of channels."""
_FORMATS = frozenset({(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)})
"""Supported pairs of format tag and bits."""
_MAX_CHUNKS = 10_000
"""Most chunks that are read: a file may hold millions of empty ones."""
_DS64_AT = 20
"""Position of the 64-bit sizes of an RF64 file, in its first chunk."""
_PIECE_BYTES = 2**20
"""Bytes converted at a time: as floats they are up to four times as large."""


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * (self.bits // 8)


def is_wav(data: bytes) -> bool:
    """Say whether ``data`` begins like a WAV file."""
    return data[:4] in {b"RIFF", b"RF64"} and data[8:12] == b"WAVE"


def is_plain_wav(data: bytes) -> bool:
    """Say whether ``data`` is a WAV file that `read_wav` supports; others need a decoder."""
    if not is_wav(data):
        return False
    body = next((bytes(body) for name, body in _chunks(data) if name == b"fmt "), b"")
    return len(body) < 16 or _tag(body) in {_PCM, _FLOAT, _ALAW, _ULAW}  # `read_wav` refuses a broken one


def wav_header(rate_hz: int, data_bytes: int | None = None, *, channels: int = 1, is_float: bool = False) -> bytes:
    """Return the 44 bytes before samples of 16 bits, or floats of 32.

    ``data_bytes`` None is a stream of unknown length.
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


@dataclass(frozen=True, slots=True)
class Wav:
    """A WAV file whose samples are converted on demand."""

    rate_hz: int
    _form: _Format
    _body: memoryview

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self._body) / self._form.frame_bytes / self.rate_hz

    def pieces(self) -> Iterator[bytes]:
        """Yield all samples, mixed to mono, as s16le."""
        step = max(1, _PIECE_BYTES // self._form.frame_bytes) * self._form.frame_bytes
        for start in range(0, len(self._body), step):
            yield _mono(self._form, self._body[start : start + step])


def read_wav(data: bytes) -> Pcm:
    """Read a whole WAV file. Raises the errors of `open_wav`."""
    wav = open_wav(data)
    return Pcm(b"".join(wav.pieces()), wav.rate_hz)


def open_wav(data: bytes) -> Wav:
    """Open a WAV file: PCM of 8 to 32 bits, float, A-law or mu-law, any number of channels up to 32.

    A data chunk that claims too many bytes, or none (as written by live streams and killed recorders), extends to the
    end of the file. The first ``fmt`` chunk counts, as for `is_plain_wav`.
    Raises `InvalidRequest` with param ``file`` for everything else.
    """
    if not is_wav(data):
        raise _invalid("this is not a WAV file")
    form: _Format | None = None
    for name, body in _chunks(data):
        if name == b"fmt " and form is None:
            form = _read_format(bytes(body))
        elif name == b"data":
            if form is None:
                raise _invalid("the WAV file has samples before their format")
            return Wav(form.rate_hz, form, body[: len(body) // form.frame_bytes * form.frame_bytes])
    raise _invalid("the WAV file holds no samples")


def from_floats(values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale floats of full scale 1.0 to 16 bits; louder ones are clipped, NaN and infinity become silence."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -1.0, 1.0).astype(np.float32) * np.float32(32768)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view = memoryview(data)
    endless = struct.unpack_from("<I", data, 4)[0] in {0, _UNKNOWN_SIZE}
    position, long_size = 12, 0
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            return
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"ds64" and position == _DS64_AT and len(data) >= position + 16:
            long_size = struct.unpack_from("<Q", data, position + 8)[0]
        elif name == b"data" and size == _UNKNOWN_SIZE:
            size = long_size or size
        elif (
            name == b"data" and size == 0 and (endless or not are_chunks(ByteSource(io.BytesIO(data)), position, RIFF))
        ):
            size = len(data) - position
        yield name, view[position : position + size]
        position += size + (size & 1)


def _read_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise _invalid("the WAV file's format is cut off")
    _, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if channels not in CHANNELS or rate_hz not in RATES_HZ:
        raise _invalid(f"the WAV file claims {channels} channels at {rate_hz} Hz")
    tag = _tag(body)
    if (tag, bits) not in _FORMATS:
        raise _invalid(f"WAV format {tag} with {bits} bits is not supported")
    return _Format(tag, channels, rate_hz, bits)


def _tag(body: bytes) -> int:
    tag = struct.unpack_from("<H", body)[0]
    is_extensible = tag == _EXTENSIBLE and len(body) >= 26
    return struct.unpack_from("<H", body, 24)[0] if is_extensible else tag


def _mono(form: _Format, body: memoryview) -> bytes:
    if (form.tag, form.bits, form.channels) == (_PCM, 16, 1):
        return bytes(body)
    samples = _samples(form, body)
    if form.channels > 1:
        samples = samples.reshape(-1, form.channels).mean(axis=1)
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _samples(form: _Format, body: memoryview) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return interleaved samples, scaled to 16 bits."""
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
            return from_floats(np.frombuffer(body, "<f4"))
        case (3, 64):
            return from_floats(np.frombuffer(body, "<f8"))
        case (6, 8):
            return np.frombuffer(decode_alaw(bytes(body)), "<i2").astype(np.float32)
        case _:  # mu-law, the last of `_FORMATS`
            return np.frombuffer(decode_ulaw(bytes(body)), "<i2").astype(np.float32)


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="file", code="invalid_audio")
