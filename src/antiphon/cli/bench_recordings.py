"""Recordings for benchmarks: manifests and samples."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from antiphon.audio.containers import decode
from antiphon.audio.windows import FULL_SCALE
from antiphon.errors import NotFound
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.voice import Samples

MANIFEST = "recordings.toml"

_Manifest = TypeVar("_Manifest")


class BenchRecording(msgspec.Struct, frozen=True):
    """One line of the manifest."""

    file: str
    text: str
    """Empty for noise."""
    language: str = "en"


class Manifest(msgspec.Struct, frozen=True):
    """The manifest file."""

    recordings: tuple[BenchRecording, ...]


def recordings(folder: Path) -> tuple[BenchRecording, ...]:
    """Return the recordings of a folder. Raises `NotFound` without its manifest."""
    return manifest(folder, MANIFEST, Manifest).recordings


def manifest(folder: Path, name: str, kind: type[_Manifest]) -> _Manifest:
    """Return the manifest ``name`` of a folder. Raises `NotFound`."""
    path = folder / name
    if not path.is_file():
        raise NotFound(f"there is no {name} in {folder}: name a directory of recordings with transcripts")
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)


def pcm_of(path: Path, rate_hz: int = RATE_HZ) -> bytes:
    """Return a recording of any format as mono PCM16. Raises `NotFound`, and the errors of `decode`."""
    if not path.is_file():
        raise NotFound(f"there is no {path.name} in {path.parent}")
    return decode(path.read_bytes(), rate_hz).data


def samples_of(data: bytes) -> Samples:
    """Return PCM16 as floats, full scale 1.0."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(FULL_SCALE)
