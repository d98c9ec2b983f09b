"""MPEG without a container: tags of MP3 and AAC, packets of program streams."""

from __future__ import annotations

import re

from antiphon.audio.claims.id3 import check_ape_tag, check_leading_tags
from antiphon.audio.claims.source import ByteSource

_PACKET = re.compile(rb"\x00\x00\x01[\xbd\xc0-\xef\xfd]")
"""Start code of a packet of sound, picture or private data; picture data does not contain it."""
_PACKET_START_BYTES = 4
_SEARCHED_BYTES = 64 * 1024 * 1024


def check_mpeg_audio(source: ByteSource) -> None:
    """Check a file that begins with an ID3 tag, or a frame of MP3 or AAC."""
    check_leading_tags(source)
    check_ape_tag(source)


def check_program_stream(source: ByteSource) -> None:
    """Check the number of packets at the beginning: FFmpeg keeps them while it searches a first frame."""
    for _ in source.search(_PACKET, 0, _SEARCHED_BYTES, _PACKET_START_BYTES):
        source.step()
