"""Decoder configuration of ALAC, in MP4, MOV, CAF and Matroska."""

from __future__ import annotations

import re

from antiphon.audio.claims.limits import MAX_ALAC_FRAME
from antiphon.audio.pyav import invalid_audio

_BOX = re.compile(rb"alac\0\0\0\0")
"""The name of a box, its version and flags."""


def check_alac(description: bytes) -> None:
    """Check the frame length in a decoder configuration, at its start and in each ``alac`` box in it."""
    for at in (0, *(box.end() for box in _BOX.finditer(description))):
        samples = int.from_bytes(description[at : at + 4], "big")
        if samples > MAX_ALAC_FRAME:
            raise invalid_audio(f"the file claims frames of {samples} samples")
