"""Selects the check of a container."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from antiphon.audio.claims.asf import check_asf
from antiphon.audio.claims.caf import check_caf
from antiphon.audio.claims.flac import check_flac
from antiphon.audio.claims.flv import check_flv
from antiphon.audio.claims.iff import check_aiff
from antiphon.audio.claims.matroska import check_matroska
from antiphon.audio.claims.mov import check_mov
from antiphon.audio.claims.mpeg import check_mpeg_audio, check_program_stream
from antiphon.audio.claims.ogg import check_ogg
from antiphon.audio.claims.riff import check_riff
from antiphon.audio.claims.source import ByteSource

_CHECKS: dict[str, Callable[[ByteSource], None]] = {
    "aac": check_mpeg_audio,
    "aiff": check_aiff,
    "asf": check_asf,
    "avi": check_riff,
    "caf": check_caf,
    "flac": check_flac,
    "flv": check_flv,
    "matroska": check_matroska,
    "mov": check_mov,
    "mp3": check_mpeg_audio,
    "mpeg": check_program_stream,
    "ogg": check_ogg,
    "wav": check_riff,
}


def check_claims(file: BinaryIO, container: str) -> None:
    """Check the sizes and counts that a file claims against its bytes; reset its position to 0.

    ``container`` is FFmpeg's name. Reads headers and tables only, in a limited number; a truncated file
    passes. Raises `InvalidRequest` with param ``file`` and code ``invalid_audio``.
    """
    try:
        if check := _CHECKS.get(container):
            check(ByteSource(file))
    finally:
        file.seek(0)
