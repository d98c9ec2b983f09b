"""Opens a user's file with PyAV: as the format of its first bytes, with an allowlist of decoders."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from antiphon.audio.claims import check_claims
from antiphon.audio.claims.limits import MAX_TRACKS
from antiphon.audio.pyav import invalid_audio
from antiphon.audio.unfinished import finished

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_PROBE_BYTES = 200_000
_STREAMED = frozenset({"mpeg", "mpegts"})
"""Formats without a header that names the tracks: FFmpeg searches the packets, by default in 5 MB."""
_SOUND_CODECS = frozenset({
    "aac", "aac_latm", "ac3", "alac", "amr_nb", "amr_wb", "eac3", "flac", "gsm", "gsm_ms", "mp1", "mp2", "mp3", "opus",
    "speex", "vorbis", "wavpack", "wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice",
    "adpcm_g722", "adpcm_g726", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha",
    "pcm_alaw", "pcm_bluray", "pcm_dvd", "pcm_mulaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s8",
    "pcm_s8_planar", "pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar", "pcm_s24be", "pcm_s24le",
    "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_s64be", "pcm_s64le", "pcm_u8", "pcm_u16be",
    "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be", "pcm_u32le",
})  # fmt: skip
"""Usual codecs of recordings and films, by FFmpeg's names. Most of its 200 are of old games and rarely tested."""
_DECODERS = (
    *sorted(_SOUND_CODECS),
    "aac_fixed",
    "amrnb",
    "amrwb",
    "g722",
    "g726",
    "libopus",
    "mp1float",
    "mp2float",
    "mp3float",
)
"""Names of the decoders that FFmpeg may open while it probes a file."""
_PICTURE_DECODERS = (
    "av1", "dnxhd", "flv", "h263", "h264", "hevc", "libdav1d", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4",
    "msmpeg4v2", "png", "prores", "theora", "vc1", "vp6", "vp6f", "vp8", "vp9", "wmv1", "wmv2", "wmv3",
)  # fmt: skip
"""The picture of a film is copied, but FFmpeg decodes some of it to find its size."""


@contextmanager
def open_source(file: BinaryIO, container: str, *, has_pictures: bool = False) -> Generator[InputContainer]:
    """Open a file as the ``container`` of its first bytes, with the listed decoders only.

    FFmpeg reads from ``file`` and gets no name, so that a playlist in it cannot open another file. An unfinished file
    is read to its end. Raises `InvalidRequest` with param ``file`` for a container with impossible claims.
    """
    import av

    file = finished(file, container)
    check_claims(file, container)
    decoders = (*_DECODERS, *_PICTURE_DECODERS) if has_pictures else _DECODERS
    options = {
        "codec_whitelist": ",".join(decoders),
        "protocol_whitelist": "none",
        "max_streams": str(MAX_TRACKS),
        **open_options(container),
    }
    with av.open(file, "r", format=container, container_options=options) as source:
        yield source


def sound_track(source: InputContainer) -> AudioStream:
    """Return the first sound track. Raises `InvalidRequest` if there is none, or its codec is unknown."""
    if not source.streams.audio:
        raise invalid_audio("the file has no sound track")
    stream = source.streams.audio[0]
    context = getattr(stream, "codec_context", None)  # a stream of an unknown codec lacks the other attributes, too
    if context is None or context.codec.canonical_name not in _SOUND_CODECS:
        raise invalid_audio("the codec of the file's sound is unknown: convert it, for example to AAC")
    return stream


def open_options(container: str) -> dict[str, str]:
    """Return FFmpeg's options for the demuxer of a container.

    While opening a file FFmpeg searches a first frame of each track, and keeps 450 bytes for every packet it reads;
    invalid packets of one byte would take 2 GiB. So its search is limited.
    """
    return {} if container in _STREAMED else {"probesize": str(_PROBE_BYTES)}
