"""A fleet on this machine: Valkey, gateways and workers, each a process that may be killed."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from tests.serving import STUB_ENVIRONMENT
from tests.valkey import Valkey, valkey

DRAIN_S = 5


class Member:
    """A process of the fleet."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @functools.cached_property
    def url(self) -> str:
        """Where it answers; waits until it does."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("antiphon ready"), line
        return line.split()[-1]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def is_gone(self) -> bool:
        """True once its process has ended."""
        return self.process.poll() is not None

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Let it stand still for a while; it goes on as if nothing had been."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        assert self.url
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, within_s: float = 20.0) -> int:
        """Ask it to end, and return its exit code."""
        assert self.url
        self.process.terminate()
        return self.process.wait(within_s)


class Fleet:
    """Starts members, and ends those that are left."""

    def __init__(self, server: Valkey, folder: Path, settings: dict[str, object], package: Path | None) -> None:
        self.valkey = server
        self._folder = folder
        self._members: list[Member] = []
        # unmeasured: they start in half the time, and what they run is measured where it runs in the tests' own process
        foreign = ("ANTIPHON_", "COVERAGE")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        given = {f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}
        shared = {"ANTIPHON_REDIS_URL": server.url, "ANTIPHON_DATA_DIR": str(folder), "ANTIPHON_LOG_LEVEL": "warning"}
        other = {} if package is None else {"PYTHONPATH": str(package)}
        self._environment = own | STUB_ENVIRONMENT | shared | given | other

    def gateway(self, port: int = 0) -> Member:
        """Start a gateway, by default at a free port."""
        return self._start("serve", "--roles", "gateway", "--port", str(port))

    def worker(self, *roles: str) -> Member:
        """Start a worker."""
        return self._start("worker", *roles)

    def holder(self, queue: str, group: str) -> Member:
        """Return the worker that has a job of this queue in its hands."""
        pid, *_ = self._holders(queue, group, most=1)
        return next(member for member in self._members if member.process.pid == pid)

    def held(self, queue: str, group: str, member: Member) -> int:
        """Return how many jobs of this queue a worker has in its hands, at most 100."""
        return self._holders(queue, group, most=100).count(member.process.pid)

    def _holders(self, queue: str, group: str, most: int) -> list[int]:
        """Return the process of each job that somebody has in its hands."""
        with redis.Redis.from_url(self.valkey.url) as client:
            streams = [one for one in client.keys(f"antiphon:queue:{{{queue}}}:*") if client.type(one) == b"stream"]
            lines = [one for one in streams if not one.endswith(b":dead")]
            jobs = [job for line in lines for job in client.xpending_range(line, group, "-", "+", most)]
        return [int(job["consumer"].decode().split("-")[-2]) for job in jobs]

    def stored_items(self, session_id: str) -> list[str]:
        """Return the ids of the items of a session that are in the database, in order."""
        query = "SELECT item_id FROM conversation_items WHERE session_id = ? ORDER BY position"
        with contextlib.closing(sqlite3.connect(self._folder / "antiphon.db")) as database:
            return [item_id for (item_id,) in database.execute(query, (session_id,))]

    def dead_letters(self, queue: str) -> list[dict[str, bytes]]:
        """Return the jobs of a queue that were given up, oldest first."""
        with redis.Redis.from_url(self.valkey.url) as client:
            letters = client.xrange(f"antiphon:queue:{{{queue}}}:dead")
        return [{name.decode(): value for name, value in fields.items()} for _, fields in letters]

    def _start(self, *words: str) -> Member:
        process = subprocess.Popen(
            [sys.executable, "-m", "antiphon", *words], env=self._environment, stdout=subprocess.PIPE, text=True
        )
        member = Member(process)
        self._members.append(member)
        return member

    def stop(self) -> None:
        """End everybody."""
        left = [member.process for member in self._members if not member.is_gone]
        for process in left:
            process.kill()
        for member in self._members:
            member.process.wait()
            if member.process.stdout is not None:
                member.process.stdout.close()


@contextlib.contextmanager
def fleet(package: Path | None = None, *, valkey_options: Sequence[str] = (), **settings: object) -> Iterator[Fleet]:
    """Run a fleet with a Valkey of its own; leases and signs of life are short.

    Its members run the ``antiphon`` in the folder ``package`` where one is given.
    """
    short = {"bus_lease_s": 1, "session_liveness_s": 3, "resume_window_s": 5, "session_sweep_s": 1, "drain_s": DRAIN_S}
    with valkey(*valkey_options) as server, tempfile.TemporaryDirectory(prefix="antiphon-fleet-") as folder:
        made = Fleet(server, Path(folder), {**short, **settings}, package)
        try:
            yield made
        finally:
            made.stop()
