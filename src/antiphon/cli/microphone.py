"""Recording from the microphone."""

from __future__ import annotations

import sys
from typing import Any

from antiphon.cli.screen import ERR
from antiphon.cli.sound import RATE_HZ
from antiphon.errors import InvalidRequest


def record() -> bytes:
    """Record until Enter is pressed; 24 kHz s16le mono. Raises `InvalidRequest` without a microphone."""
    try:
        import sounddevice  # pyright: ignore[reportMissingImports] -- an extra
    except (ImportError, OSError) as error:  # OSError: the package is there, PortAudio is not
        raise InvalidRequest(
            "no microphone support: name a recording, or `pip install 'antiphon[microphone]'`", param="file"
        ) from error
    if not sys.stdin.isatty():
        raise InvalidRequest("the microphone needs a terminal: name a recording", param="file")
    pieces: list[bytes] = []

    def take(data: Any, frames: int, time: Any, status: Any) -> None:
        del frames, time, status
        pieces.append(bytes(data))

    try:
        with sounddevice.RawInputStream(samplerate=RATE_HZ, channels=1, dtype="int16", callback=take):
            ERR.print("speak; press Enter when done")
            sys.stdin.readline()
    except sounddevice.PortAudioError as error:
        raise InvalidRequest(f"the microphone cannot be used: {error}", param="file") from error
    return b"".join(pieces)
