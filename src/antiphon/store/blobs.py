"""Blobs as files: ``{root}/{tenant}/{key}``. Processes on other machines share the folder."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

from antiphon import ids
from antiphon.clock import Clock, SystemClock
from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, ProviderUnavailable
from antiphon.folders import folder_name, make_private
from antiphon.ports.blobs import check_key, not_found, tenant_full

_PIECE_BYTES = 2**20
_PART = ".part"
_PART_S = 3600.0
"""An unfinished file older than this belongs to a process that died."""

_log = structlog.get_logger(__name__)


class FileBlobs:
    """`Blobs` in a folder, readable by its owner only. The modification time of a file says when it expires.

    A file is written under a temporary name and renamed, so no reader sees half of it. Concurrent writers
    count each other's unfinished files: together they never exceed a tenant's limit.
    """

    def __init__(self, root: Path, *, tenant_bytes: int, clock: Clock | None = None) -> None:
        self._root = root
        self._tenant_bytes = tenant_bytes
        self._clock = clock or SystemClock()

    async def put(self, tenant: str, data: AsyncIterable[bytes], *, ttl_s: float) -> BlobRef:
        """Store a stream. Raises `Overloaded`, `ProviderUnavailable`."""
        folder = self._folder(tenant)
        try:
            part = await asyncio.to_thread(_open_part, folder)
            try:
                return await self._write(tenant, folder, part, data, ttl_s)
            finally:
                await asyncio.to_thread(_drop, part)
        except OSError as error:
            raise _unavailable(error) from error

    async def _write(
        self, tenant: str, folder: Path, part: IO[bytes], data: AsyncIterable[bytes], ttl_s: float
    ) -> BlobRef:
        room = self._tenant_bytes - await asyncio.to_thread(self._held_bytes, folder)
        size = 0
        async for piece in data:
            size += len(piece)
            if size > room:
                raise tenant_full(self._tenant_bytes)
            await asyncio.to_thread(part.write, piece)
        key = ids.token()
        await asyncio.to_thread(self._finish, part, folder / key, ttl_s)
        return BlobRef(tenant, size, key)

    def _finish(self, part: IO[bytes], path: Path, ttl_s: float) -> None:
        part.close()
        if self._held_bytes(path.parent) > self._tenant_bytes:  # because of concurrent writers
            raise tenant_full(self._tenant_bytes)
        expires_s = self._clock.wall() + ttl_s
        os.utime(part.name, (expires_s, expires_s))
        Path(part.name).replace(path)

    async def get(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield a range of a blob. Raises `NotFound`, `ProviderUnavailable`."""
        try:
            file = await asyncio.to_thread(self._open, ref)
            try:
                await asyncio.to_thread(file.seek, start)
                left = ref.size - start if stop is None else min(stop, ref.size) - start
                while left > 0 and (piece := await asyncio.to_thread(file.read, min(left, _PIECE_BYTES))):
                    left -= len(piece)
                    yield piece
            finally:
                file.close()
        except FileNotFoundError as error:
            raise not_found(ref) from error
        except OSError as error:
            raise _unavailable(error) from error

    def _open(self, ref: BlobRef) -> IO[bytes]:
        file = self._path(ref).open("rb")
        about = os.fstat(file.fileno())
        if about.st_mtime <= self._clock.wall() or about.st_size != ref.size:
            file.close()
            raise not_found(ref)
        return file

    async def delete(self, ref: BlobRef) -> None:
        """Remove a blob. Raises `ProviderUnavailable`."""
        try:
            await asyncio.to_thread(self._path(ref).unlink, missing_ok=True)
        except NotFound:
            return
        except OSError as error:
            raise _unavailable(error) from error

    async def run(self, every_s: float) -> None:
        """Remove expired files every ``every_s`` seconds, until cancelled."""
        while True:
            await self.clean()
            await asyncio.sleep(every_s)

    async def clean(self) -> None:
        """Remove expired files once; a failure is logged."""
        await asyncio.to_thread(self._clean)

    def _clean(self) -> None:
        try:
            for folder in self._root.iterdir() if self._root.is_dir() else ():
                for file, about in _files(folder):
                    grace_s = _PART_S if file.suffix == _PART else 0.0
                    if about.st_mtime + grace_s <= self._clock.wall():
                        file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("blob clean-up failed", error=str(error))

    def _held_bytes(self, folder: Path) -> int:
        """Return the bytes of a tenant, unfinished files included."""
        wall = self._clock.wall()
        return sum(about.st_size for file, about in _files(folder) if file.suffix == _PART or about.st_mtime > wall)

    def _folder(self, tenant: str) -> Path:
        return self._root / folder_name(tenant)

    def _path(self, ref: BlobRef) -> Path:
        """Return the path of a blob. Raises `NotFound` for a key that could leave the folder."""
        check_key(ref)
        return self._folder(ref.tenant) / ref.key


def _open_part(folder: Path) -> IO[bytes]:
    make_private(folder)
    return tempfile.NamedTemporaryFile(dir=folder, suffix=_PART, delete=False)


def _drop(part: IO[bytes]) -> None:
    """Remove an unfinished file; a finished one was renamed."""
    part.close()
    Path(part.name).unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of a folder; files that vanish meanwhile are skipped."""
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            yield file, file.lstat()


def _unavailable(error: OSError) -> ProviderUnavailable:
    return ProviderUnavailable("Blob storage failed.", code="blobs_unavailable", detail=str(error))
