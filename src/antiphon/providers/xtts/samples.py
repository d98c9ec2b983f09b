"""Recordings whose voice XTTS imitates."""

from __future__ import annotations

import wave
from pathlib import Path

import structlog

_MIN_RATE_HZ = 16_000
_DURATION_S = (3.0, 30.0)
"""Shorter ones give no voice, of longer ones the model hears only the beginning."""

_log = structlog.get_logger(__name__)


class Samples:
    """Decides which recording a voice's name means, and whether it is any good.

    Whoever may speak may name a voice: only files inside ``folder``, and the ``default`` one, are opened.
    """

    def __init__(self, folder: Path, default: Path | None) -> None:
        self._folder = folder
        self._default = default

    def voice(self, wanted: str) -> str:
        """Return the path of a good recording, or a speaker's name; empty is the default speaker. Reads files."""
        path = self._path(wanted)
        if path is None:
            return wanted
        fault = fault_of(path) if self._may_open(path) else "not in the folder of samples"
        if fault is None:
            return str(path)
        _log.warning("voice sample cannot be used, the default speaker is", path=str(path), reason=fault)
        return ""

    def _path(self, wanted: str) -> Path | None:
        if not wanted or wanted == "default":
            return self._default and self._default.resolve()
        return (self._folder / wanted).resolve() if wanted.lower().endswith(".wav") else None

    def _may_open(self, path: Path) -> bool:
        is_default = self._default is not None and path == self._default.resolve()
        return is_default or path.is_relative_to(self._folder.resolve())


def fault_of(path: Path) -> str | None:
    """Return what is wrong with a recording: a mono PCM WAV of 16 kHz or more, 3 to 30 s long, is none."""
    shortest, longest = _DURATION_S
    try:
        with wave.open(str(path), "rb") as file:
            channels, rate_hz = file.getnchannels(), file.getframerate()
            if channels != 1 or rate_hz < _MIN_RATE_HZ:
                return f"{channels} channels at {rate_hz} Hz; it must be mono at {_MIN_RATE_HZ} Hz or more"
            data = file.readframes(round(longest * rate_hz) + 1)
            seconds = len(data) / file.getsampwidth() / rate_hz
    except (OSError, EOFError, ValueError, wave.Error) as exc:
        return f"no WAV file that can be read: {exc or type(exc).__name__}"
    if not shortest <= seconds <= longest:
        return f"{seconds:.1f} s long; it must be {shortest:g} to {longest:g} s"
    return None
