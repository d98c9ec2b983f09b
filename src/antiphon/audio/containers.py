"""Audio files of all kinds to samples, within bounds. Needs PyAV for everything but plain WAV."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from antiphon.audio.pyav import decoded, invalid_audio, need_av
from antiphon.audio.resample import Resampler, resample
from antiphon.audio.sniff import container_of
from antiphon.audio.sound import Sound
from antiphon.audio.wav import is_plain_wav, read_wav
from antiphon.errors import InvalidRequest

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MAX_DURATION_S = 7_200.0
"""Longest sound that is decoded unless a caller says otherwise: 230 MB at 16 kHz."""

MAX_WORK_S = 60.0
"""A file that keeps the decoder busy for so long is not worth it."""

_RATES_HZ = range(1_000, 384_001)
_MAX_CHANNELS = 32


def decode(
    data: bytes, rate_hz: int, *, max_duration_s: float = MAX_DURATION_S, max_work_s: float = MAX_WORK_S
) -> Sound:
    """Return the first sound track of a file as mono samples at ``rate_hz``. Blocks: call it in a thread.

    Knows WAV, MP3, M4A and MP4, Ogg (Opus, Vorbis, FLAC), FLAC, WebM, AAC, AIFF, AMR, AU, CAF and WMA, by
    their first bytes. A damaged file gives what can be decoded of it. Raises `InvalidRequest` with param ``file``
    for what is no such file, has no sound, is longer than ``max_duration_s`` or keeps the decoder busy for longer
    than ``max_work_s``; `Unsupported` without PyAV.
    """
    if is_plain_wav(data):
        wav = read_wav(data)
        _check_duration(wav.duration_s, max_duration_s)
        return Sound(resample(wav.data, wav.rate_hz, rate_hz), rate_hz)
    container = container_of(data)
    if container is None:
        raise invalid_audio("this is not an audio file of a known kind")
    return Sound(_decode(data, container, rate_hz, max_duration_s, max_work_s), rate_hz)


def _decode(data: bytes, container: str, rate_hz: int, max_duration_s: float, max_work_s: float) -> bytes:
    need_av()
    import av

    max_bytes = int(max_duration_s * rate_hz) * 2
    out = bytearray()
    with _av_errors(), av.open(io.BytesIO(data), "r", format=container) as source:
        track = _sound_track(source, max_duration_s)
        for piece in _mono(decoded(source, track, max_work_s), rate_hz):
            out += piece
            if len(out) > max_bytes:
                raise _too_long(max_duration_s)
    if not out:
        raise invalid_audio("the file holds no sound that can be decoded")
    return bytes(out)


def _mono(frames: Iterator[AudioFrame], rate_hz: int) -> Iterator[bytes]:
    from av import AudioResampler

    mixer = AudioResampler(format="s16", layout="mono")
    resampler: Resampler | None = None
    for frame in frames:
        resampler = resampler or Resampler(frame.sample_rate, rate_hz)
        for mixed in mixer.resample(frame):
            yield resampler.feed(bytes(mixed.planes[0])[: mixed.samples * 2])  # planes are padded
    if resampler:
        yield resampler.flush()


def _sound_track(source: InputContainer, max_duration_s: float) -> AudioStream:
    if not source.streams.audio:
        raise invalid_audio("the file has no sound track")
    stream = source.streams.audio[0]
    if getattr(stream, "codec_context", None) is None:  # and with it everything else that a stream says of itself
        raise invalid_audio("the file's sound is in a codec that is not known")
    if (stream.rate or 0) not in _RATES_HZ or not 1 <= stream.channels <= _MAX_CHANNELS:
        raise invalid_audio(f"the file claims {stream.channels} channels at {stream.rate} Hz")
    if stream.duration is not None and stream.time_base is not None:
        _check_duration(float(stream.duration * stream.time_base), max_duration_s)
    elif source.duration is not None:
        _check_duration(source.duration / 1_000_000, max_duration_s)
    return stream


@contextmanager
def _av_errors() -> Generator[None]:
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, ValueError) as exc:
        raise invalid_audio(f"the file cannot be decoded: {exc}") from exc


def _check_duration(duration_s: float, max_duration_s: float) -> None:
    if duration_s > max_duration_s:
        raise _too_long(max_duration_s)


def _too_long(max_duration_s: float) -> InvalidRequest:
    return InvalidRequest(f"the file is longer than {max_duration_s:g} s", param="file", code="audio_too_long")
