"""Artifacts as files: ``{root}/{tenant}/{owner}/{stream_id}/{fragment_id}/`` with metadata, texts and audio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog

from antiphon.audio.sniff import container_of
from antiphon.audio.wav import is_wav, wav_header
from antiphon.clock import Clock, SystemClock
from antiphon.folders import folder_name, make_private
from antiphon.ports.artifacts import Artifact, ArtifactAudio

_log = structlog.get_logger(__name__)

_METADATA = "metadata.json"
_SUFFIXES = {"wav": "wav", "aac": "aac"}
_ANY_SUFFIX = ("m4a", *_SUFFIXES)
_FILES = frozenset(
    [
        *(_METADATA, "transcript.txt", "translation.txt"),
        *(f"{name}_audio.{suffix}" for name in ("dubbed", "original") for suffix in _ANY_SUFFIX),
    ]
)
"""All names that are written and removed; other files in these folders stay."""

_OPEN = "open"
"""Owner of streams without a key."""

_MOST_WAITING = 64
"""Maximum number of an owner's waiting artifacts; more are dropped: a hanging disk must not fill the memory."""

_ROOM = 0.9
"""Share of the limit that clean-up leaves, so that a full folder is not scanned for every artifact."""


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
        max_bytes: int,
        clock: Clock | None = None,
    ) -> None:
        self._root = root
        self._capture = capture
        self._max_age_s = max_age_s
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._one_at_a_time = asyncio.Lock()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._held_bytes = 0
        """Bytes on disk as of the last clean-up, plus bytes written since."""

    async def put(self, artifact: Artifact) -> None:
        """Store ``artifact`` in place of an earlier one of the same fragment; a failure is logged."""
        owner = artifact.tenant, artifact.owner
        if self._waiting[owner] >= _MOST_WAITING:
            _log.warning("artifact dropped: too many writes are waiting", waiting=self._waiting[owner])
            return
        self._waiting[owner] += 1
        try:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._write, artifact)
        except OSError as exc:
            ids = {"stream_id": artifact.stream_id, "fragment_id": artifact.fragment_id}
            _log.warning("artifact write failed", error=str(exc), **ids)
        finally:
            self._waiting[owner] -= 1
            if not self._waiting[owner]:
                del self._waiting[owner]

    async def clean(self) -> None:
        """Remove artifacts above the maximum age, then each stream's oldest above the count, then empty folders."""
        folders = await asyncio.to_thread(self._to_clean)
        for folder in folders:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._clean_folder, folder)
        async with self._one_at_a_time:
            await asyncio.to_thread(self._make_room, folders)

    async def run(self, every_s: float) -> None:
        """Clean every ``every_s`` seconds, until cancelled."""
        while True:
            await self.clean()
            await asyncio.sleep(every_s)

    def _write(self, artifact: Artifact) -> None:
        folder = self._root
        make_private(folder)
        for name in _place(artifact):
            folder /= folder_name(name)
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.is_symlink():
                raise OSError(f"{folder} is a symbolic link")
        files = self._files(artifact)
        before_bytes = _size(folder)
        for name, data in files.items():
            _replace(folder / name, data)
        for name in _FILES - files.keys():
            (folder / name).unlink(missing_ok=True)
        self._held_bytes += _size(folder) - before_bytes
        if self._held_bytes > self._max_bytes:
            self._make_room(self._to_clean())

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

    def _to_clean(self) -> list[Path]:
        """Return the folders of all streams, then their parents, which may be empty by then.

        Older releases wrote ``{root}/{stream_id}/{fragment_id}``: those fragments have the place of today's owners.
        """
        tenants = _folders(self._root)
        owners = [owner for tenant in tenants for owner in _folders(tenant)]
        streams = [stream for owner in owners for stream in _folders(owner)]
        return [*streams, *owners, *tenants]

    def _clean_folder(self, stream: Path) -> None:
        fragments = sorted(_dated(stream))
        oldest_s = self._clock.wall() - self._max_age_s
        old = [folder for written_s, folder in fragments if written_s < oldest_s]
        young = [folder for _, folder in fragments[len(old) :]]
        for folder in [*old, *young[: max(0, len(young) - self._max_count)]]:
            _remove(folder)
        _remove_empty(stream)

    def _make_room(self, folders: Iterable[Path]) -> None:
        """While all fragments exceed the limit, remove the oldest fragment of the owner with the most bytes.

        So an owner with many artifacts replaces its own, and never those of an owner with few.
        """
        fragments = self._fragments(folders)
        held = {owner: sum(size for _, size, _ in found) for owner, found in fragments.items()}
        if sum(held.values()) > self._max_bytes:
            _log.info("artifacts removed: disk limit exceeded", held_bytes=sum(held.values()))
            while fragments and sum(held.values()) > self._max_bytes * _ROOM:
                owner = max(fragments, key=held.__getitem__)
                _, size, folder = fragments[owner].pop()
                held[owner] -= size - _remove(folder)
                if not fragments[owner]:
                    del fragments[owner]
        self._held_bytes = sum(held.values())

    def _fragments(self, folders: Iterable[Path]) -> dict[tuple[str, ...], list[tuple[float, int, Path]]]:
        """Return time, size and folder of all fragments by their owner, the newest first."""
        found: dict[tuple[str, ...], list[tuple[float, int, Path]]] = {}
        for around in folders:
            for written_s, folder in _dated(around):
                if size := _size(folder):
                    found.setdefault(_owner_of(folder.relative_to(self._root)), []).append((written_s, size, folder))
        for fragments in found.values():
            fragments.sort(reverse=True)
        return found


class NullArtifacts:
    """`Artifacts` that stores nothing."""

    async def put(self, artifact: Artifact) -> None:
        """Discard the artifact."""

    async def clean(self) -> None:
        """Do nothing."""

    async def run(self, every_s: float) -> None:
        """Return at once."""


def _place(artifact: Artifact) -> tuple[str, ...]:
    """Return the folders down to a fragment; without keys those of the published contract."""
    if artifact.owner == _OPEN:
        return artifact.stream_id, artifact.fragment_id
    return artifact.tenant, artifact.owner, artifact.stream_id, artifact.fragment_id


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
    return json.dumps(content, indent=2).encode()  # msgspec rejects lone surrogates, which an id may contain


def _as_file(audio: ArtifactAudio) -> tuple[str, bytes]:
    """Return suffix and content of a playable file."""
    if audio.format.startswith("pcm_") and not is_wav(audio.data):
        is_float = audio.format == "pcm_f32le"
        header = wav_header(audio.rate_hz, len(audio.data), channels=audio.channels, is_float=is_float)
        return "wav", header + audio.data
    return _SUFFIXES.get(container_of(audio.data) or "", "m4a"), audio.data


def _replace(path: Path, data: bytes) -> None:
    """Write a file atomically."""
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
    """Return the subfolders without links; none of a missing folder."""
    try:
        return [inside for inside in folder.iterdir() if inside.is_dir() and not inside.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as exc:
        _log.warning("artifact clean-up failed", error=str(exc), folder=str(folder))
        return []


def _dated(around: Path) -> Iterator[tuple[float, Path]]:
    """Yield the subfolders with their modification times; folders that vanish meanwhile are skipped."""
    for folder in _folders(around):
        try:
            written_s = folder.lstat().st_mtime
        except FileNotFoundError:
            continue
        except OSError as exc:
            _log.warning("artifact clean-up failed", error=str(exc), folder=str(folder))
            continue
        yield written_s, folder


def _owner_of(place: Path) -> tuple[str, ...]:
    """Return the owner of a fragment from its path; empty for fragments without a key."""
    return place.parts[:2] if len(place.parts) > len(("stream", "fragment")) else ()


def _own_files(folder: Path) -> list[Path]:
    """Return the files of a fragment; none in a folder of streams. Raises `OSError`."""
    names = [file for file in folder.iterdir() if file.name in _FILES or _is_part(file)]
    return [file for file in names if not file.is_dir()]  # clients choose the names of folders


def _is_part(file: Path) -> bool:
    return file.name.startswith(".") and file.suffix == ".part"


def _size(folder: Path) -> int:
    """Return the size of a fragment's files, in bytes."""
    size = 0
    try:
        for file in _own_files(folder):
            with contextlib.suppress(FileNotFoundError):
                size += file.lstat().st_size
    except OSError as exc:
        _log.warning("artifact clean-up failed", error=str(exc), folder=str(folder))
    return size


def _remove(folder: Path) -> int:
    """Remove the files of a fragment; return the bytes that the file system failed to remove."""
    try:
        for file in _own_files(folder):
            file.unlink(missing_ok=True)
    except OSError as exc:
        _log.warning("artifact clean-up failed", error=str(exc), folder=str(folder))
        return _size(folder)
    _remove_empty(folder)
    return 0


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not empty, or removed by another process
        folder.rmdir()
