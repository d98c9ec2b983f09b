"""Encodes a stream of samples to an audio format. Needs PyAV for everything but WAV and PCM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np

from antiphon.audio.pyav import MPEG_RATES_HZ, OPUS_RATES_HZ, nearest_rate, need_av
from antiphon.audio.resample import Resampler
from antiphon.audio.wav import wav_header

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


@dataclass(frozen=True, slots=True)
class _Recipe:
    container: str
    codec: str
    rates_hz: tuple[int, ...] = ()
    """Rates of the codec; empty is any."""
    bit_rate: int | None = None
    effort: int | None = None
    """FFmpeg's ``compression_level``; a higher one is faster or slower, depending on the codec."""
    container_options: Mapping[str, str] = field(default_factory=dict[str, str])


_RECIPES = {
    # efforts: enough for speech, at half a per cent of a core
    # no tag and no index before the sound: both need the end of the stream or seeking
    "mp3": _Recipe("mp3", "libmp3lame", MPEG_RATES_HZ, 64_000, 7, {"write_xing": "0", "id3v2_version": "0"}),
    # a page each 100 ms; by default a second of speech is held back
    "opus": _Recipe("ogg", "libopus", OPUS_RATES_HZ, 32_000, 5, {"page_duration": "100000"}),
    "aac": _Recipe("adts", "aac", MPEG_RATES_HZ, 64_000),
    "flac": _Recipe("flac", "flac"),
}


class Encoder:
    """Encodes one mono s16le stream. The bytes of all calls, joined, are the file.

    Pieces may be cut anywhere, also inside a sample. Calls block and must not overlap; they may come from
    different threads. Raises `Unsupported` without PyAV.
    """

    def __init__(self, wanted: AudioFormat, rate_hz: int) -> None:
        self._inner: _Inner = _Plain(wanted, rate_hz) if wanted in {"wav", "pcm"} else _Coded(wanted, rate_hz)

    def feed(self, pcm: bytes) -> bytes:
        """Encode samples and return the finished bytes, possibly none."""
        return self._inner.feed(pcm)

    def finish(self) -> bytes:
        """Return the rest and end the stream."""
        return self._inner.finish()


class _Inner(Protocol):
    def feed(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Plain:
    """``pcm``: the plain samples; ``wav``: the same after a header without a length."""

    def __init__(self, wanted: AudioFormat, rate_hz: int) -> None:
        self._header = wav_header(rate_hz) if wanted == "wav" else b""

    def feed(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def finish(self) -> bytes:
        return self.feed(b"")


class _Coded:
    """A codec and a container of FFmpeg, writing into memory."""

    def __init__(self, wanted: AudioFormat, rate_hz: int) -> None:
        need_av()
        import av

        recipe = _RECIPES[wanted]
        self._rate_hz = nearest_rate(rate_hz, recipe.rates_hz)
        self._resampler = Resampler(rate_hz, self._rate_hz)
        self._sink = _Sink()
        self._container = av.open(
            self._sink, "w", format=recipe.container, container_options=dict(recipe.container_options)
        )
        options = {} if recipe.effort is None else {"compression_level": str(recipe.effort)}
        stream = self._container.add_stream(recipe.codec, rate=self._rate_hz, layout="mono", options=options)
        self._stream = cast("AudioStream", stream)
        if recipe.bit_rate:
            self._stream.bit_rate = recipe.bit_rate
        self._position = 0

    def feed(self, pcm: bytes) -> bytes:
        self._encode(self._resampler.feed(pcm))
        return self._sink.take()

    def finish(self) -> bytes:
        self._encode(self._resampler.flush())
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def _encode(self, pcm: bytes) -> None:
        if pcm:
            self._container.mux(self._stream.encode(self._frame(pcm)))

    def _frame(self, pcm: bytes) -> AudioFrame:
        import av

        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.time_base = self._rate_hz, Fraction(1, self._rate_hz)
        frame.pts, self._position = self._position, self._position + frame.samples
        return frame


class _Sink:
    """A write-only file without seeking, which makes formats write in one pass."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
