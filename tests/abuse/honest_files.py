"""Honest files of half a second, one for each container and codec that PyAV writes."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

SECONDS = 0.5
_RATES_HZ = {"libopencore_amrnb": 8_000, "g723_1": 8_000, "real_144": 8_000, "nellymoser": 8_000, "libopus": 48_000}
_BITS_PER_S = {"libopencore_amrnb": 12_200, "g723_1": 6_300, "real_144": 8_000}

SOUNDS = [
    *[("mov", codec) for codec in ("pcm_s16le", "pcm_s16be", "pcm_u8", "pcm_f32le", "pcm_mulaw", "aac", "alac")],
    *[("mp4", codec) for codec in ("aac", "libmp3lame", "ac3", "flac", "libopus")],
    *[("ipod", codec) for codec in ("aac", "alac")],
    *[("3gp", codec) for codec in ("aac", "libopencore_amrnb")],
    *[("caf", codec) for codec in ("pcm_s16be", "pcm_f32le", "alac", "adpcm_ima_qt")],
    *[("asf", codec) for codec in ("wmav1", "wmav2", "libmp3lame")],
    *[
        ("matroska", codec)
        for codec in ("libopus", "vorbis", "flac", "aac", "pcm_s16le", "wavpack", "tta", "libmp3lame")
    ],
    *[("webm", codec) for codec in ("libopus", "vorbis")],
    *[("ogg", codec) for codec in ("libopus", "vorbis", "flac")],
    *[("wav", codec) for codec in ("pcm_s16le", "pcm_s24le", "pcm_f32le", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw")],
    *[("aiff", codec) for codec in ("pcm_s16be", "pcm_s16le", "pcm_mulaw", "adpcm_ima_qt")],
    *[("au", codec) for codec in ("pcm_s16be", "pcm_mulaw", "pcm_f32be")],
    *[("avi", codec) for codec in ("pcm_s16le", "libmp3lame", "ac3")],
    *[("flv", codec) for codec in ("aac", "libmp3lame", "nellymoser", "adpcm_swf")],
    *[("mpegts", codec) for codec in ("aac", "mp2", "libmp3lame", "ac3")],
    *[("mpeg", codec) for codec in ("mp2", "ac3")],
    *[("mp3", "libmp3lame"), ("adts", "aac"), ("flac", "flac")],
]
"""Muxer and encoder."""

VARIANTS = [
    ("mp4", "aac", "faststart", {"movflags": "faststart"}),
    ("mp4", "aac", "fragmented", {"movflags": "frag_keyframe+empty_moov"}),
    ("mp4", "aac", "dash", {"movflags": "dash+global_sidx+frag_every_frame"}),
    ("mp4", "flac", "cmaf", {"movflags": "cmaf+frag_keyframe"}),
    ("mov", "pcm_s16le", "fragmented", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "100000"}),
    ("wav", "pcm_s16le", "rf64", {"rf64": "always"}),
    ("wav", "pcm_s16le", "peaks", {"write_peak": "on"}),
    ("mp3", "libmp3lame", "no-xing", {"write_xing": "0", "id3v2_version": "0"}),
    ("mp3", "libmp3lame", "id3v23", {"id3v2_version": "3", "write_id3v1": "1"}),
    ("matroska", "libopus", "cues-first", {"reserve_index_space": "4096"}),
    ("matroska", "aac", "live", {"live": "1"}),
    ("webm", "libopus", "dash", {"dash": "1", "cluster_time_limit": "100"}),
    ("avi", "pcm_s16le", "indexed", {"reserve_index_space": "2048"}),
    ("flv", "aac", "keyframes", {"flvflags": "add_keyframe_index"}),
    ("aiff", "pcm_s16be", "id3", {"write_id3v2": "1"}),
    ("adts", "aac", "apetag", {"write_apetag": "1", "write_id3v2": "1"}),
]
"""Muxer, encoder, what is special, and the muxer's options for it."""


@cache
def honest_files() -> dict[str, bytes]:
    """Return all of them by name, ``muxer-encoder`` or ``muxer-encoder-variant``."""
    files = {f"{muxer}-{codec}": sound_file(muxer, codec) for muxer, codec in SOUNDS}
    files |= {f"{muxer}-{codec}-{name}": sound_file(muxer, codec, **more) for muxer, codec, name, more in VARIANTS}
    return files | {
        f"{muxer}-film": film(muxer) for muxer in ("mp4", "mov", "matroska", "avi", "flv", "mpegts", "mpeg")
    }


def sound_file(muxer: str, codec: str, seconds: float = SECONDS, *, silent: bool = False, **options: str) -> bytes:
    """Encode a tone, or digital silence, with a title."""
    rate_hz = _RATES_HZ.get(codec, 44_100 if muxer in {"flv", "asf", "adts"} or codec == "ac3" else 16_000)
    layout = "stereo" if codec == "vorbis" else "mono"
    tone = np.sin(np.arange(round(seconds * rate_hz)) * 440 * 2 * np.pi / rate_hz) * 8_000 * (not silent)
    samples = np.repeat(tone.astype(np.int16), 2 if layout == "stereo" else 1).reshape(1, -1)
    with TemporaryDirectory() as folder:
        path = Path(folder, "sound")  # some muxers read again what they have written
        with av.open(path, "w", format=muxer, container_options=options) as out:
            out.metadata["title"] = "a tone"
            stream: Any = out.add_stream(codec, rate=rate_hz, layout=layout, options={"strict": "-2"})
            stream.bit_rate = _BITS_PER_S.get(codec, 64_000)
            frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path.read_bytes()


def film(muxer: str) -> bytes:
    """Encode some frames of a picture with a tone."""
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as out:
        picture: Any = out.add_stream(
            "flv" if muxer == "flv" else "mpeg2video" if "mpeg" in muxer else "mpeg4", rate=25
        )
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = out.add_stream("mp2" if "mpeg" in muxer else "aac", rate=44_100, layout="mono")
        for shade in range(0, 250, 20):
            out.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8))))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22_050), np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), 0
        out.mux(sound.encode(frame))
        for stream in (picture, sound):
            out.mux(stream.encode(None))
    return file.getvalue()
