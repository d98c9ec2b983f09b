"""Recordings whose voice XTTS imitates."""

from __future__ import annotations

import wave
from pathlib import Path

import structlog

_MIN_RATE_HZ = 16_000
_DURATION_S = (3.0, 30.0)
"""The model needs the shortest, and reads only the beginning of longer recordings."""

_log = structlog.get_logger(__name__)


class VoiceSamples:
    """Finds and checks the recording of a voice's name.

    Any client may name a voice, so only files inside ``folder``, and the ``default`` one, are opened.
    """

    def __init__(self, folder: Path, default: Path | None) -> None:
        self._folder = folder
        self._default = default

    def voice(self, wanted: str) -> str:
        """Return the path of a valid recording, or a speaker's name; empty is the default speaker. Reads files."""
        path = self._path(wanted)
        if path is None:
            return wanted
        fault = fault_of(path) if self._may_open(path) else "not in the folder of samples"
        if fault is None:
            return str(path)
        _log.warning("voice sample invalid, default speaker used", path=str(path), reason=fault)
        return ""

    def _path(self, wanted: str) -> Path | None:
        if not wanted or wanted == "default":
            return self._default and self._default.resolve()
        return (self._folder / wanted).resolve() if wanted.lower().endswith(".wav") else None

    def _may_open(self, path: Path) -> bool:
        is_default = self._default is not None and path == self._default.resolve()
        return is_default or path.is_relative_to(self._folder.resolve())


def fault_of(path: Path) -> str | None:
    """Return why a recording is not a mono PCM WAV file of 16 kHz or more and 3 to 30 s; None if it is."""
    shortest, longest = _DURATION_S
    try:
        with wave.open(str(path), "rb") as file:
            channels, rate_hz = file.getnchannels(), file.getframerate()
            if channels != 1 or rate_hz < _MIN_RATE_HZ:
                return f"{channels} channels at {rate_hz} Hz; it must be mono at {_MIN_RATE_HZ} Hz or more"
            data = file.readframes(round(longest * rate_hz) + 1)
            seconds = len(data) / file.getsampwidth() / rate_hz
    except (OSError, EOFError, ValueError, wave.Error) as exc:
        return f"not a readable WAV file: {exc or type(exc).__name__}"
    if not shortest <= seconds <= longest:
        return f"{seconds:.1f} s long; it must be {shortest:g} to {longest:g} s"
    return None
