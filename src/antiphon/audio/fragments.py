"""Decodes fragments of dubbing to samples, and encodes samples to fragments.

All functions block: call them in a thread.
"""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Pcm
from antiphon.audio.pyav import need_av
from antiphon.audio.resample import resample
from antiphon.audio.sniff import container_of
from antiphon.audio.wav import from_floats
from antiphon.errors import InvalidRequest

SPEECH_RATE_HZ = 16_000
"""Sample rate of speech recognition."""
MAX_DURATION_S = 60.0
"""Longest fragment."""
AUDIO_PARAM = "audio.data_base64"
"""The field that carries the sound of a fragment."""

AAC_FRAME = 1024
"""Samples of one AAC frame."""
AAC_BITS_PER_S = 128_000
AAC_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)

MAX_FILE_S = MAX_DURATION_S + 0.3
"""Includes the padding of codecs: two AAC frames at 8 kHz are 256 ms."""
MAX_WORK_S = 10.0
"""Limit of the decoding time. A minute takes 0.1 s; 10 MiB of packets without sound could take minutes."""
_AAC_BITS_PER_FRAME = 6_144
"""Maximum per channel and frame (ISO/IEC 14496-3): less than 128 kbit/s at low rates."""
_SURE_MAGIC = frozenset({"wav", "ogg", "flac", "matroska"})

EncodedFormat = Literal["m4a", "pcm_s16le", "pcm_f32le"]
"""Formats of audio sent to clients."""


@dataclass(frozen=True, slots=True)
class DecodedFragment:
    """The sound of a fragment."""

    mono: Pcm
    """Mixed to mono at `SPEECH_RATE_HZ`."""
    duration_ms: float
    """Exact for PCM; from a container, within one sample of `SPEECH_RATE_HZ`."""


@dataclass(frozen=True, slots=True)
class EncodedFragment:
    """Sound in a client's format."""

    data: bytes
    format: EncodedFormat
    rate_hz: int
    """The requested rate; for m4a the next higher one of AAC."""
    duration_ms: float
    """Length after decoding: exact for PCM; for m4a some decoders (FFmpeg) return the last frame whole, with silence
    of up to 1023 samples."""


def read_samples(data: bytes, format: str, rate_hz: int, channels: int) -> DecodedFragment | None:  # noqa: A002 - the wire's word
    """Read a fragment of plain samples; return None for a file, which needs a decoder.

    ``rate_hz`` (8000 to 96000) and ``channels`` (1 or 2) apply to PCM only: a file has its own, whatever format was
    declared, also PCM. A partial PCM sample at the end is dropped; NaN and infinite floats become silence. Raises
    `InvalidRequest` with param ``audio.data_base64`` and code ``invalid_audio`` for no samples or more than
    `MAX_DURATION_S`; with param ``audio.format`` for an unknown format.
    """
    if format not in {"m4a", "aac", "wav", "pcm_s16le", "pcm_f32le"}:
        raise InvalidRequest(f"audio format '{format}' is not known", param="audio.format")
    if not format.startswith("pcm_") or _is_surely_a_file(data):
        return None
    return _decode_pcm(data, format, rate_hz, channels)


def fragment_of(mono: bytes) -> DecodedFragment:
    """Return the fragment of a file that was decoded to `SPEECH_RATE_HZ`. Raises like `read_samples`."""
    if not mono:
        raise _invalid("the file holds no sound")
    return DecodedFragment(Pcm(mono, SPEECH_RATE_HZ), len(mono) * 500 / SPEECH_RATE_HZ)


@contextmanager
def file_errors() -> Generator[None]:
    """Name the field of the fragment in errors of its file."""
    try:
        yield
    except InvalidRequest as error:
        raise _invalid(error.message) from error


def encode_fragment(mono: bytes, rate_hz: int, format: str, out_rate_hz: int, channels: int) -> EncodedFragment:  # noqa: A002 - the wire's word
    """Encode mono s16le samples for a stream of ``format``, ``out_rate_hz`` (8000 to 96000) and ``channels`` (1 or 2).

    ``m4a`` and ``aac`` give AAC-LC of 128 kbit/s in an MP4 file, ``pcm_s16le`` and ``wav`` plain samples without a
    header, ``pcm_f32le`` floats of full scale 1.0. The number of PCM samples is the duration at ``out_rate_hz``,
    rounded; a duration within half a sample of a whole millisecond counts as that millisecond. Raises
    `InvalidRequest` with param ``audio.format`` for other formats, `Unsupported` without PyAV if it is needed.
    """
    match format:
        case "m4a" | "aac":
            aac_hz = min(rate for rate in AAC_RATES_HZ if rate >= out_rate_hz)
            return _encode_m4a(_at_rate(mono, rate_hz, aac_hz), aac_hz, channels)
        case "pcm_s16le" | "wav":
            samples = _at_rate(mono, rate_hz, out_rate_hz)
            data, encoded_format = np.repeat(samples, channels).tobytes(), "pcm_s16le"
        case "pcm_f32le":
            samples = _at_rate(mono, rate_hz, out_rate_hz)
            data, encoded_format = (np.repeat(samples, channels) / np.float32(32768)).astype("<f4").tobytes(), format
        case _:
            raise InvalidRequest(f"audio format '{format}' is not known", param="audio.format")
    return EncodedFragment(data, encoded_format, out_rate_hz, len(samples) * 1000 / out_rate_hz)


def silence(duration_ms: float, format: str, rate_hz: int, channels: int) -> EncodedFragment:  # noqa: A002 - the wire's word
    """Encode silence of ``duration_ms``, like `encode_fragment`."""
    return encode_fragment(bytes(2 * round(duration_ms * rate_hz / 1000)), rate_hz, format, rate_hz, channels)


def _is_surely_a_file(data: bytes) -> bool:
    """Say whether bytes declared as PCM are a file: by a signature of four bytes or more, which is rare in samples.

    MPEG sound begins with FF Fx, which is frequent in quiet samples, and ID3 is short: these stay PCM.
    """
    return container_of(data) in _SURE_MAGIC or data[4:8] == b"ftyp"


def _decode_pcm(data: bytes, pcm_format: str, rate_hz: int, channels: int) -> DecodedFragment:
    bytes_per_frame = channels * (2 if pcm_format == "pcm_s16le" else 4)
    frames = len(data) // bytes_per_frame
    if not frames:
        raise _invalid("the fragment holds no whole sample")
    if frames > MAX_DURATION_S * rate_hz:
        raise _invalid(f"the fragment is longer than {MAX_DURATION_S:g} s")
    whole = data[: frames * bytes_per_frame]
    samples = _from_s16(whole) if pcm_format == "pcm_s16le" else from_floats(np.frombuffer(whole, "<f4"))
    mono = samples.reshape(frames, channels).mean(axis=1)
    pcm = np.clip(np.rint(mono), -32768, 32767).astype("<i2").tobytes()
    return DecodedFragment(Pcm(resample(pcm, rate_hz, SPEECH_RATE_HZ), SPEECH_RATE_HZ), frames * 1000 / rate_hz)


def _from_s16(data: bytes) -> NDArray[np.float32]:
    return np.frombuffer(data, "<i2").astype(np.float32)


def _at_rate(mono: bytes, rate_hz: int, out_rate_hz: int) -> NDArray[np.int16]:
    """Return the samples at another rate, as many as their duration requires."""
    duration_ms = len(mono) * 500 / rate_hz
    if abs(duration_ms - round(duration_ms)) * rate_hz <= 500:
        duration_ms = round(duration_ms)
    wanted = round(duration_ms * out_rate_hz / 1000)
    samples = np.frombuffer(resample(mono, rate_hz, out_rate_hz), "<i2")[:wanted]
    return np.pad(samples, (0, wanted - len(samples)))


def _encode_m4a(samples: NDArray[np.int16], rate_hz: int, channels: int) -> EncodedFragment:
    need_av()
    import av

    samples = samples if len(samples) else np.zeros(1, np.int16)  # a file needs a frame
    layout = "mono" if channels == 1 else "stereo"
    file = io.BytesIO()
    # with a time base of samples the edit list, which skips the encoder delay of AAC, is exact;
    # with the usual milliseconds players cut up to half a millisecond of the sound
    options = {"movie_timescale": str(rate_hz)}
    with av.open(file, "w", format="ipod", container_options=options) as out:
        # "fast": for speech, at this bit rate, 2 to 4 times quicker than the default and closer to the original
        stream = out.add_stream("aac", rate=rate_hz, layout=layout, options={"aac_coder": "fast"})
        stream.bit_rate = min(AAC_BITS_PER_S, channels * rate_hz * _AAC_BITS_PER_FRAME // AAC_FRAME)
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, channels).reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    decoded = -(-len(samples) // AAC_FRAME) * AAC_FRAME
    return EncodedFragment(file.getvalue(), "m4a", rate_hz, decoded * 1000 / rate_hz)


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, param=AUDIO_PARAM, code="invalid_audio")
