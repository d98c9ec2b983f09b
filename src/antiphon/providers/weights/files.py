"""Model files: their folders, whether they are complete, and how they are downloaded."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from antiphon.errors import NotFound, ProviderUnavailable, WeightsMissing
from antiphon.folders import make_private
from antiphon.providers.weights.fetch import SourceError, checksum, fetch
from antiphon.providers.weights.table import FileSource, ModelEntry, Table, packaged_table

Progress = Callable[[str, int, int], None]
"""Takes the name of the weights, the bytes done and the total bytes."""

_LOCK_TIMEOUT_S = 3600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """One row of the list of weights."""

    model: ModelEntry
    folder: Path
    complete: bool


class Weights:
    """The weights of one data directory, which several processes may share.

    A model's folder appears only when it is complete and verified.
    """

    def __init__(self, data_dir: Path, *, offline: bool = False, table: Table | None = None) -> None:
        self._root = data_dir / "weights"
        self._offline = offline
        self._models = {model.name: model for model in (table or packaged_table()).weights}

    def list(self) -> list[Held]:
        """Return all weights of the table, present or not."""
        return [Held(model, self._root / name, self._complete(model)) for name, model in self._models.items()]

    def folder(self, name: str) -> Path:
        """Return the folder of ``name``; only file sizes are checked. Raises `WeightsMissing`."""
        model = self._find(name)
        if not self._complete(model):
            raise WeightsMissing(self._advice(model), param=name)
        return self._root / name

    def verify(self, name: str) -> bool:
        """Return True when all files of ``name`` exist and have the right sha256."""
        folder = self._root / name
        return any(
            all((folder / file.name).is_file() and checksum(folder / file.name) == file.sha256 for file in source.files)
            for source in self._find(name).sources
        )

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Download ``name`` from the first source that works, unless it is complete by sha256; blocks.

        Raises `WeightsMissing` when offline, and `ProviderUnavailable` when all sources fail.
        """
        model = self._find(name)
        if self.verify(name):
            return self._root / name
        if self._offline:
            raise WeightsMissing(f"downloads are forbidden (offline). {self._advice(model)}", param=name)
        make_private(self._root)
        with self._lock(name):
            if not self.verify(name):  # another process may have downloaded it meanwhile
                self._fetch(model, progress)
        return self._root / name

    def remove(self, name: str) -> None:
        """Delete the files of ``name``, if any."""
        shutil.rmtree(self._root / self._find(name).name, ignore_errors=True)

    def _find(self, name: str) -> ModelEntry:
        try:
            return self._models[name]
        except KeyError:
            known = ", ".join(self._models)
            raise NotFound(f"no weights are called {name!r}; there are {known}", param="name") from None

    def _complete(self, model: ModelEntry) -> bool:
        return any(self._holds(model.name, source) for source in model.sources)

    def _holds(self, name: str, source: FileSource) -> bool:
        paths = [(self._root / name / file.name, file.bytes) for file in source.files]
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)

    def _matches(self, name: str, source: FileSource) -> bool:
        paths = [(self._root / name / file.name, file.sha256) for file in source.files]
        return all(path.is_file() and checksum(path) == sha256 for path, sha256 in paths)

    def _advice(self, model: ModelEntry) -> str:
        fallback = f" Without it: {model.fallback}." if model.fallback else ""
        return (
            f"the weights of {model.name} are not in {self._root}: run `antiphon models pull {model.name}`.{fallback}"
        )

    def _fetch(self, model: ModelEntry, progress: Progress | None) -> None:
        reasons: list[str] = []
        for source in model.sources:
            try:
                self._fetch_from(model, source, progress)
            except SourceError as exc:
                _log.warning("weights source failed", weights=model.name, reason=str(exc))
                reasons.append(str(exc))
            else:
                return
        raise ProviderUnavailable(f"all sources of {model.name} failed: {'; '.join(reasons)}. {self._advice(model)}")

    def _fetch_from(self, model: ModelEntry, source: FileSource, progress: Progress | None) -> None:
        done, shown = 0, -1

        def report(more: int) -> None:
            nonlocal done, shown
            done += more
            before, shown = shown, min(done, source.bytes)
            if progress and shown != before:
                progress(model.name, shown, source.bytes)

        report(0)
        with tempfile.TemporaryDirectory(prefix=f".{model.name}-", dir=self._root) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            fetch(source, new, Path(scratch) / "packages", report)
            self._replace(model.name, new, Path(scratch))
        report(max(0, source.bytes - done))

    def _replace(self, name: str, new: Path, scratch: Path) -> None:
        target = self._root / name
        if target.exists():  # a broken or old one; a folder cannot be renamed over a non-empty one
            target.rename(scratch / "old")
        new.rename(target)

    @contextmanager
    def _lock(self, name: str) -> Generator[None]:
        """Hold the lock of ``name`` across processes.

        An exclusive transaction of SQLite is the only lock of the standard library that works on all systems,
        waits with a timeout, and is released when its process ends.
        """
        path = self._root / f".{name}.lock"
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as db:
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as exc:
                raise ProviderUnavailable(f"another process has been fetching {name} for an hour") from exc
            yield
