"""Detects the format of a file with sound by its first bytes; names and types from clients are ignored."""

from __future__ import annotations

_PREFIXES = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"ID3", "mp3"),
    (b"#!AMR", "amr"),
    (b".snd", "au"),
    (b"caff", "caf"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"FLV\x01", "flv"),
)
_RIFF = {b"WAVE": "wav", b"AVI ": "avi"}
_MOV_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"})
_TRANSPORT_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Size of an MPEG-TS packet and place of its sync byte: broadcast, Blu-ray, with error correction."""
_TRANSPORT_SYNCS = 4

SOUND_CONTAINERS = frozenset({
    "aac", "aiff", "amr", "asf", "au", "caf", "flac", "matroska", "mov", "mp3", "mpeg", "ogg", "wav",
})  # fmt: skip
"""Containers of sound uploads; some hold films as well."""
FILM_CONTAINERS = SOUND_CONTAINERS | {"avi", "flv", "mpegts"}
"""All containers of `container_of`."""


def container_of(data: bytes) -> str | None:
    """Return FFmpeg's name of the container that begins with ``data``, one of `FILM_CONTAINERS`, or None.

    The first kilobyte of a file is enough. Only containers that hold their sound themselves are detected, never
    playlists and manifests, which name other files or addresses.
    """
    for prefix, name in _PREFIXES:
        if data.startswith(prefix):
            return name
    if data[:4] in {b"RIFF", b"RF64"}:
        return _RIFF.get(data[8:12])
    if data[:4] == b"FORM" and data[8:12] in {b"AIFF", b"AIFC"}:
        return "aiff"
    if data[4:8] in _MOV_ATOMS:
        return "mov"
    if _is_transport_stream(data):
        return "mpegts"
    return _mpeg_audio(data)


def _is_transport_stream(data: bytes) -> bool:
    """Check the sync bytes of several packets: one byte matches any text that begins with G."""
    return any(
        data[at : packet * _TRANSPORT_SYNCS : packet] == b"G" * _TRANSPORT_SYNCS for packet, at in _TRANSPORT_PACKETS
    )


def _mpeg_audio(data: bytes) -> str | None:
    """Tell MP3 from AAC: both begin with eleven bits set; two bits that name the layer are zero in AAC."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    if data[1] & 0xF6 == 0xF0:
        return "aac"
    is_sane = data[1] & 0x06 and data[1] & 0x18 != 0x08 and data[2] & 0xF0 != 0xF0 and data[2] & 0x0C != 0x0C
    return "mp3" if is_sane else None
