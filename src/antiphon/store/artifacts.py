"""Artifacts as files: ``{root}/{stream_id}/{fragment_id}/`` with ``metadata.json``, texts and audio."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import structlog

from antiphon.audio.sniff import container_of
from antiphon.audio.wav import is_wav, wav_header
from antiphon.clock import Clock, SystemClock
from antiphon.ports.artifacts import Artifact, ArtifactAudio

_log = structlog.get_logger("antiphon.artifacts")

_METADATA = "metadata.json"
_SUFFIXES = {"wav": "wav", "aac": "aac"}
_ANY_SUFFIX = ("m4a", *_SUFFIXES)
_FILES = frozenset(
    [
        *(_METADATA, "transcript.txt", "translation.txt"),
        *(f"{name}_audio.{suffix}" for name in ("dubbed", "original") for suffix in _ANY_SUFFIX),
    ]
)
"""All that is ever written, and removed: files of others in these folders stay."""

_NAME_BYTES = 200
"""Longest name of a folder. File systems allow 255."""

_MOST_WAITING = 64
"""More artifacts are dropped: a disk that hangs must not fill the memory with audio."""


class FileArtifacts:
    """`Artifacts` in a folder, readable by its owner only, as transcripts are personal data.

    Metadata and texts are always written, the audio with ``capture`` ``media``. Each file appears whole, and
    ``metadata.json`` last. One artifact is written at a time, in a thread.
    """

    def __init__(
        self,
        root: Path,
        *,
        capture: Literal["metadata", "media"],
        max_age_s: float,
        max_count: int,
        clock: Clock | None = None,
    ) -> None:
        self._root = root
        self._capture = capture
        self._max_age_s = max_age_s
        self._max_count = max_count
        self._clock = clock or SystemClock()
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def put(self, artifact: Artifact) -> None:
        """Keep ``artifact``, in place of an earlier one of the same fragment; a failure is logged."""
        if self._waiting >= _MOST_WAITING:
            _log.warning("artifact is dropped, too many wait for the disk", waiting=self._waiting)
            return
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._write, artifact)
        except OSError as exc:
            ids = {"stream_id": artifact.stream_id, "fragment_id": artifact.fragment_id}
            _log.warning("artifact is not written", error=str(exc), **ids)
        finally:
            self._waiting -= 1

    async def clean(self) -> None:
        """Remove what is too old, then the oldest of each stream that has too many, and folders left empty."""
        for stream in await asyncio.to_thread(_folders, self._root):
            async with self._one_at_a_time:
                await asyncio.to_thread(self._clean_stream, stream)

    async def run(self, every_s: float) -> None:
        """Clean every ``every_s`` seconds, until cancelled."""
        while True:
            await self.clean()
            await asyncio.sleep(every_s)

    def _write(self, artifact: Artifact) -> None:
        stream = self._root / folder_name(artifact.stream_id)
        folder = stream / folder_name(artifact.fragment_id)
        for made in (self._root, stream, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stream.is_symlink() or folder.is_symlink():
            raise OSError(f"{folder} leads elsewhere")
        files = self._files(artifact)
        for name, data in files.items():
            _replace(folder / name, data)
        for name in _FILES - files.keys():
            (folder / name).unlink(missing_ok=True)

    def _files(self, artifact: Artifact) -> dict[str, bytes]:
        """Return the contents by name, the metadata last."""
        files: dict[str, bytes] = {}
        for name, text in (("transcript", artifact.transcript), ("translation", artifact.translation)):
            if text is not None:
                files[f"{name}.txt"] = text.encode(errors="replace")
        if self._capture == "media":
            for name, audio in (("dubbed", artifact.dubbed_audio), ("original", artifact.original_audio)):
                if audio is not None:
                    suffix, data = _as_file(audio)
                    files[f"{name}_audio.{suffix}"] = data
        files[_METADATA] = _metadata(artifact)
        return files

    def _clean_stream(self, stream: Path) -> None:
        try:
            fragments = sorted((folder.lstat().st_mtime, folder) for folder in _folders(stream))
            oldest_s = self._clock.wall() - self._max_age_s
            old = [folder for written_s, folder in fragments if written_s < oldest_s]
            young = [folder for _, folder in fragments[len(old) :]]
            for folder in [*old, *young[: max(0, len(young) - self._max_count)]]:
                _remove(folder)
            _remove_empty(stream)
        except OSError as exc:
            _log.warning("artifacts are not cleaned", error=str(exc), folder=str(stream))


class NullArtifacts:
    """`Artifacts` that keep nothing."""

    async def put(self, artifact: Artifact) -> None:
        """Forget it."""

    async def clean(self) -> None:
        """Do nothing."""

    async def run(self, every_s: float) -> None:
        """Return at once."""


def folder_name(identifier: str) -> str:
    """Return a name for a folder that any text may have asked for, another one for every other text.

    ASCII letters, digits, ``.``, ``_`` and ``-`` stay; other bytes of its UTF-8 form are written ``%XX``, as in
    addresses, so that the text can be read back. The empty text is ``%``. What is longer than 200 bytes is cut and
    ends with ``~`` and its SHA-256.
    """
    if not identifier:
        return "%"
    if identifier in {".", ".."}:
        return identifier.replace(".", "%2E")
    name = quote(identifier, safe="", errors="surrogatepass").replace("~", "%7E")
    if len(name) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: _NAME_BYTES - len(digest) - 1]}~{digest}"


def _metadata(artifact: Artifact) -> bytes:
    content: dict[str, Any] = {
        "fragment_id": artifact.fragment_id,
        "stream_id": artifact.stream_id,
        "status": artifact.status,
        "processing_time_ms": artifact.processing_time_ms,
        "stage_timings": msgspec.to_builtins(artifact.stage_timings),
        "timestamp": artifact.timestamp,
        "asset_lineage": dict(artifact.lineage),
        "assets": [dict(asset) for asset in artifact.assets],
    }
    if artifact.error is not None:
        content["error"] = msgspec.to_builtins(artifact.error)
    return json.dumps(content, indent=2).encode()  # msgspec refuses half a surrogate pair, which an id may hold


def _as_file(audio: ArtifactAudio) -> tuple[str, bytes]:
    """Return the suffix and the content of a file that players open."""
    if audio.format.startswith("pcm_") and not is_wav(audio.data):
        is_float = audio.format == "pcm_f32le"
        header = wav_header(audio.rate_hz, len(audio.data), channels=audio.channels, is_float=is_float)
        return "wav", header + audio.data
    return _SUFFIXES.get(container_of(audio.data) or "", "m4a"), audio.data


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that it is never seen half written."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(data)
            file.close()
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _folders(folder: Path) -> list[Path]:
    """Return the folders inside, without links; none where there is no such folder."""
    try:
        return [inside for inside in folder.iterdir() if inside.is_dir() and not inside.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as exc:
        _log.warning("artifacts are not cleaned", error=str(exc), folder=str(folder))
        return []


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name in _FILES or (file.name.startswith(".") and file.suffix == ".part"):
            file.unlink(missing_ok=True)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is not empty, or somebody was quicker
        folder.rmdir()
