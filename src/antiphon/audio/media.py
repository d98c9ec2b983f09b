"""Reads the sound of recordings and films as a stream, and writes a new sound track to a file. Needs PyAV.

All functions block: call them in a thread. Reading and writing hold a few seconds in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from antiphon.audio.opening import open_source, sound_track
from antiphon.audio.pcm import Samples
from antiphon.audio.pyav import (
    MPEG_RATES_HZ,
    OPUS_RATES_HZ,
    decoded,
    invalid_audio,
    nearest_rate,
    need_av,
)
from antiphon.audio.sniff import container_of
from antiphon.errors import InvalidRequest

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


LOWEST_HZ = 8_000
HIGHEST_HZ = 48_000
"""Rates between these are kept."""

_LEAST_GAP_S = 0.1
"""Smaller gaps between time stamps are rounding of the container."""
_SILENCE_S = 1.0
"""Gaps are filled with pieces of this length."""
_US_PER_S = 1_000_000
_HEAD_BYTES = 1_024
"""Enough to detect the container."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    container: str
    codec: str
    rates_hz: tuple[int, ...] = ()
    """Rates of the codec; empty is any."""
    bits_per_s: int = 0
    """Per channel."""
    takes_picture: bool = False


_AAC = 96_000
_RECIPES = {
    ".wav": _Recipe("wav", "pcm_s16le"),
    ".flac": _Recipe("flac", "flac"),
    ".m4a": _Recipe("ipod", "aac", MPEG_RATES_HZ, _AAC),
    ".mp3": _Recipe("mp3", "libmp3lame", MPEG_RATES_HZ, 96_000),
    ".ogg": _Recipe("ogg", "libopus", OPUS_RATES_HZ, 48_000),
    ".opus": _Recipe("ogg", "libopus", OPUS_RATES_HZ, 48_000),
    ".mp4": _Recipe("mp4", "aac", MPEG_RATES_HZ, _AAC, takes_picture=True),
    ".mov": _Recipe("mov", "aac", MPEG_RATES_HZ, _AAC, takes_picture=True),
    ".mkv": _Recipe("matroska", "aac", MPEG_RATES_HZ, _AAC, takes_picture=True),
}
_CONTAINER_OPTIONS = {
    "wav": {"rf64": "auto"},  # required for a WAV of more than 4 GiB
    "mp4": {"movflags": "+faststart"},
}


@contextmanager
def open_recording(path: Path) -> Generator[Recording]:
    """Open a recording or a film.

    Raises `InvalidRequest` with param ``file`` if it is unreadable or has no sound, `Unsupported` without PyAV.
    """
    need_av("dub")
    with _opened(path) as source:
        yield Recording(path, source)


class Recording:
    """The first sound track of a file."""

    def __init__(self, path: Path, source: InputContainer) -> None:
        """Use an opened file. Raises `InvalidRequest` with param ``file``."""
        self.path = path
        self._source = source
        self._track = _sound_track(path, source)
        rate_hz = self._track.rate
        self.rate_hz = min(max(rate_hz, LOWEST_HZ), HIGHEST_HZ)
        self.channels = min(self._track.channels, 2)
        self.has_picture = _picture(source) is not None
        self.duration_s: float | None = source.duration / _US_PER_S if source.duration else None
        """As claimed by the file, if at all."""
        self._origin_s = _origin_s(source) if self.has_picture else None

    def blocks(self) -> Iterator[Samples]:
        """Yield the sound of the whole file, once; in a film, aligned with the picture.

        Gaps of 0.1 s and more in the time stamps become silence. Up to a hundred broken packets are skipped; one more
        ends the sound. Raises `InvalidRequest` with param ``file`` if no sound can be decoded at all.
        """
        from av import AudioResampler

        layout = "mono" if self.channels == 1 else "stereo"
        resampler = AudioResampler(format="s16", layout=layout, rate=self.rate_hz)
        done = 0
        with _read_errors(self.path):
            for frame in decoded(self._source, self._track):
                for hole in self._hole_before(frame, done):
                    done += len(hole)
                    yield hole
                for block in map(self._samples, resampler.resample(frame)):
                    done += len(block)
                    yield block
            for block in map(self._samples, resampler.resample(None)):
                done += len(block)
                yield block
        if not done:
            raise invalid_audio(f"{self.path} holds no sound that can be decoded")

    def _hole_before(self, frame: AudioFrame, done: int) -> Iterator[Samples]:
        """Yield silence until the time of the frame, at most to the end of the file."""
        if frame.time is None:
            return
        if self._origin_s is None:
            self._origin_s = frame.time
        at_s = frame.time - self._origin_s
        if self.duration_s is not None:
            at_s = min(at_s, self.duration_s)
        missing = round(at_s * self.rate_hz) - done
        if missing < _LEAST_GAP_S * self.rate_hz:
            return
        piece = round(_SILENCE_S * self.rate_hz)
        for start in range(0, missing, piece):
            yield np.zeros((min(piece, missing - start), self.channels), np.int16)

    def _samples(self, frame: AudioFrame) -> Samples:
        samples = frame.to_ndarray().reshape(-1, self.channels)
        return cast("Samples", samples)


@contextmanager
def write_track(path: Path, rate_hz: int, channels: int, picture_of: Path | None = None) -> Generator[TrackWriter]:
    """Write a sound file, or a film with a new sound track.

    ``picture_of`` is the film whose picture is copied without encoding. The file gets its name when it is complete,
    and does not exist after an error. Raises `InvalidRequest` with param ``out`` if it cannot be written,
    `Unsupported` without PyAV.
    """
    need_av("dub")
    import av

    recipe = _recipe(path)
    part = path.with_name(f"{path.name}.part")
    with ExitStack() as stack:
        with _write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(part.unlink, missing_ok=True)
            options = _CONTAINER_OPTIONS.get(recipe.container, {})
            out = stack.enter_context(av.open(part, "w", format=recipe.container, container_options=options))
            film = stack.enter_context(_opened(picture_of)) if picture_of is not None else None
            picture = _Picture(film, out) if film is not None else None
            stream = _sound_stream(out, recipe, rate_hz, channels)
            out.start_encoding()
        writer = TrackWriter(path, out, stream, picture, rate_hz)
        yield writer
        with _write_errors(path):
            writer.finish()
            out.close()
            part.replace(path)


class TrackWriter:
    """Writes the samples of one track."""

    def __init__(
        self, path: Path, out: OutputContainer, stream: AudioStream, picture: _Picture | None, rate_hz: int
    ) -> None:
        self._path = path
        self._out = out
        self._stream = stream
        self._picture = picture
        self._rate_hz = rate_hz
        self._position = 0

    def write(self, samples: Samples) -> None:
        """Write the next samples, of shape (frames, channels). Raises `InvalidRequest` with param ``out``."""
        if not len(samples):
            return
        import av

        layout = "mono" if samples.shape[1] == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.time_base = self._rate_hz, Fraction(1, self._rate_hz)
        frame.pts, self._position = self._position, self._position + len(samples)
        with _write_errors(self._path):
            if self._picture is not None:
                self._picture.copy_until(self._position / self._rate_hz)
            self._out.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Flush the encoder and write the rest of the picture."""
        self._out.mux(self._stream.encode(None))
        if self._picture is not None:
            self._picture.copy_until(None)


class _Picture:
    """The picture of a film, copied packet by packet into another file."""

    def __init__(self, source: InputContainer, out: OutputContainer) -> None:
        stream = _picture(source)
        assert stream is not None  # noqa: S101 - narrows the type: callers have checked that there is a picture
        self._to = out.add_stream_from_template(stream)
        self._out = out
        assert stream.time_base is not None  # noqa: S101 - narrows the type: a demuxed stream has one
        self._tick_s = stream.time_base
        self._origin = round(_origin_s(source) / self._tick_s)
        self._packets = source.demux(stream)
        self._next = self._advance()

    def copy_until(self, end_s: float | None) -> None:
        """Copy the packets before ``end_s``; None copies the rest."""
        while (packet := self._next) is not None:
            assert packet.dts is not None  # noqa: S101 - narrows the type: `_advance` skips packets without one
            if end_s is not None and packet.dts * self._tick_s >= end_s:
                return
            packet.stream = self._to
            self._out.mux(packet)
            self._next = self._advance()

    def _advance(self) -> Packet[VideoStream] | None:
        for packet in self._packets:
            if packet.dts is not None:  # the packet that ends the stream has none
                packet.dts -= self._origin
                if packet.pts is not None:
                    packet.pts -= self._origin
                return packet
        return None


def check_out(path: Path, *, has_picture: bool) -> None:
    """Check that a file of this name can be written. Raises `InvalidRequest` with param ``out``."""
    recipe = _recipe(path)
    if recipe.takes_picture and not has_picture:
        known = ", ".join(suffix for suffix, one in _RECIPES.items() if not one.takes_picture)
        raise InvalidRequest(f"the recording has no picture for {path.name}: choose one of {known}", param="out")


def takes_picture(path: Path) -> bool:
    """Say whether a file of this name can hold a picture. Raises `InvalidRequest` with param ``out``."""
    return _recipe(path).takes_picture


def track_ms(path: Path) -> float:
    """Return the length of a file's sound without the part that its container cuts off, in milliseconds.

    Raises `InvalidRequest` with param ``file``.
    """
    with open_recording(path) as recording:
        frames = sum(len(block) for block in recording.blocks())
        return frames * 1000 / recording.rate_hz


@contextmanager
def _opened(path: Path) -> Generator[InputContainer]:
    """Open a user's file. Raises `InvalidRequest` with param ``file``."""
    with ExitStack() as stack:
        with _read_errors(path):
            file = stack.enter_context(path.open("rb"))
            container = container_of(file.read(_HEAD_BYTES))
            if container is None:
                raise invalid_audio(f"cannot read {path}: this is not a recording or a film of a known kind")
            try:
                source = stack.enter_context(open_source(file, container, has_pictures=True))
            except InvalidRequest as error:
                raise invalid_audio(f"cannot read {path}: {error.message}") from error
        yield source


def _sound_track(path: Path, source: InputContainer) -> AudioStream:
    if not source.streams.audio:
        raise invalid_audio(f"{path} has no sound: choose a recording or a film with a sound track")
    stream = sound_track(source)
    if not stream.rate or not stream.channels:
        raise invalid_audio("the sound has no rate or no channels")
    return stream


def _picture(source: InputContainer) -> VideoStream | None:
    """Return the first video stream that is not a cover picture."""
    from av.stream import Disposition

    return next((one for one in source.streams.video if not one.disposition & Disposition.attached_pic), None)


def _origin_s(source: InputContainer) -> float:
    """Return the first time stamp of the file."""
    return (source.start_time or 0) / _US_PER_S


def _sound_stream(out: OutputContainer, recipe: _Recipe, rate_hz: int, channels: int) -> AudioStream:
    layout = "mono" if channels == 1 else "stereo"
    rate_out_hz = nearest_rate(rate_hz, recipe.rates_hz)
    stream = cast("AudioStream", out.add_stream(recipe.codec, rate=rate_out_hz, layout=layout))
    if recipe.bits_per_s:
        stream.bit_rate = recipe.bits_per_s * channels
    return stream


def _recipe(path: Path) -> _Recipe:
    recipe = _RECIPES.get(path.suffix.lower())
    if recipe is None:
        raise InvalidRequest(f"cannot write {path.name}: choose one of {', '.join(_RECIPES)}", param="out")
    return recipe


@contextmanager
def _read_errors(path: Path) -> Generator[None]:
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, OSError) as error:
        raise invalid_audio(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _write_errors(path: Path) -> Generator[None]:
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        hint = "; .mkv supports most picture codecs" if path.suffix.lower() in {".mp4", ".mov"} else ""
        raise InvalidRequest(f"cannot write {path}: {why}{hint}", param="out") from error
