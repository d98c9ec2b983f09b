"""Decodes audio files to samples, within limits. Needs PyAV for everything but plain WAV."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from antiphon.audio.opening import open_source, sound_track
from antiphon.audio.pcm import Pcm
from antiphon.audio.pyav import decoded, invalid_audio, need_av
from antiphon.audio.resample import Resampler
from antiphon.audio.sniff import SOUND_CONTAINERS, container_of
from antiphon.audio.wav import CHANNELS, RATES_HZ, is_plain_wav, open_wav
from antiphon.errors import InvalidRequest

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MAX_DURATION_S = 7_200.0
"""Default limit of the decoded length: 230 MB at 16 kHz."""

_LEAST_BITS_PER_S = 4_000
"""Lowest bit rate of speech codecs; the claimed length of a smaller file is ignored."""

MAX_WORK_S = 60.0
"""Default limit of the decoding time; two hours of MP3 take 10 s."""


def decode(data: bytes, rate_hz: int, *, max_duration_s: float = MAX_DURATION_S, max_work_s: float = MAX_WORK_S) -> Pcm:
    """Return the first sound track of a file as mono samples at ``rate_hz``. Blocks: call it in a thread.

    Detects WAV, MP3, M4A and MP4, Ogg (Opus, Vorbis, FLAC), FLAC, WebM, AAC, AIFF, AMR, AU, CAF and WMA by their
    first bytes. A damaged or unfinished file gives its decodable part, whatever length it claims. Raises
    `InvalidRequest` with param ``file`` for other files, files without sound, longer than ``max_duration_s``, or
    that take the decoder longer than ``max_work_s``; `Unsupported` without PyAV.
    """
    pieces = decoded_pieces(data, rate_hz, max_duration_s=max_duration_s, max_work_s=max_work_s)
    return Pcm(b"".join(pieces), rate_hz)


def decoded_pieces(data: bytes, rate_hz: int, *, max_duration_s: float, max_work_s: float) -> Iterator[bytes]:
    """Yield the result of `decode` in pieces, so that a long sound is never whole in memory. Raises the same errors."""
    if is_plain_wav(data):
        wav = open_wav(data)
        _check_duration(wav.duration_s, max_duration_s)
        yield from _resampled(((piece, wav.rate_hz) for piece in wav.pieces()), rate_hz)
        return
    container = container_of(data)
    if container not in SOUND_CONTAINERS:
        raise invalid_audio("this is not an audio file of a known kind")
    need_av()
    left, is_empty = int(max_duration_s * rate_hz) * 2, True
    with _av_errors(), open_source(io.BytesIO(data), container) as source:
        track = sound_track(source)
        _check_track(track)
        _check_claimed(source, track, len(data), max_duration_s)
        for piece in _resampled(_mono(decoded(source, track, max_work_s)), rate_hz):
            left, is_empty = left - len(piece), False
            if left < 0:
                raise _too_long(max_duration_s)
            yield piece
    if is_empty:
        raise invalid_audio("the file holds no sound that can be decoded")


def _mono(frames: Iterator[AudioFrame]) -> Iterator[tuple[bytes, int]]:
    """Yield mono samples, and their rate."""
    from av import AudioResampler

    mixer = AudioResampler(format="s16", layout="mono")
    for frame in frames:
        for mixed in mixer.resample(frame):
            yield bytes(mixed.planes[0])[: mixed.samples * 2], frame.sample_rate  # planes are padded


def _resampled(pieces: Iterator[tuple[bytes, int]], rate_hz: int) -> Iterator[bytes]:
    """Yield mono samples at ``rate_hz``; all pieces have the rate of the first one."""
    resampler: Resampler | None = None
    for piece, from_hz in pieces:
        resampler = resampler or Resampler(from_hz, rate_hz)
        if ready := resampler.feed(piece):
            yield ready
    if resampler and (rest := resampler.flush()):
        yield rest


def _check_track(stream: AudioStream) -> None:
    if (stream.rate or 0) not in RATES_HZ or stream.channels not in CHANNELS:
        raise invalid_audio(f"the file claims {stream.channels} channels at {stream.rate} Hz")


def _check_claimed(source: InputContainer, stream: AudioStream, size: int, max_duration_s: float) -> None:
    """Refuse a file that claims to be too long, unless it is too small for the claim: then its real length counts."""
    duration_s = 0.0
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif source.duration is not None:
        duration_s = source.duration / 1_000_000
    if size * 8 > duration_s * _LEAST_BITS_PER_S:
        _check_duration(duration_s, max_duration_s)


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
