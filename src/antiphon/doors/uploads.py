"""Audio files that clients upload."""

from __future__ import annotations

from typing import IO

from antiphon.audio.wav import is_wav, read_wav
from antiphon.entities.speech import Pcm


def decode_upload(file: IO[bytes], name: str) -> Pcm:
    """Return the sound of a file. Raises `InvalidRequest` with param ``file``. Blocks: call it in a thread."""
    data = file.read()
    if is_wav(data):
        wav = read_wav(data)
        return Pcm(wav.data, wav.rate_hz)
    raise NotImplementedError(name)
