"""The processes of a benchmark: a server or a fleet of ours, the floor beside it, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from antiphon.app.settings import default_data_dir

HERE = Path(__file__).resolve().parent
KINDS = ("STT", "LLM", "TTS", "TRANSLATION", "VAD", "END_OF_TURN")
WORK = ("transcribe", "respond", "speak", "translate", "score", "persist", "dub")
"""The roles of a worker."""
_START_S = 60.0


class Child:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.pid = process.pid
        self.port = port

    def cpu_s(self) -> float:
        """Return the CPU time of all its threads, to the nanosecond where Linux has it."""
        return time.clock_gettime(~self.pid << 3 | 2)  # what clock_getcpuclockid(3) computes

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def pin(self, core: int) -> None:
        """Keep all its threads on one core."""
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self, text: str) -> str:
        """Send it a line and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self.line()

    def errors(self) -> list[str]:
        """Return the lines about errors that it has logged so far."""
        lines = Path(f"/proc/{self.pid}/fd/2").read_text().splitlines()
        return [line for line in lines if '"level": "error"' in line]

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def antiphon(**settings: object) -> Generator[Child]:
    """Run ``antiphon serve`` with stub engines; ``settings`` by their names in lower case."""
    with _scratch() as folder, _started(["-m", "antiphon", "serve", "--port", "0"], folder, settings) as child:
        yield child


@dataclass(frozen=True, slots=True)
class Fleet:
    """Gateways, one worker process with every other role, and the Valkey that they share."""

    gateways: tuple[Child, ...]
    worker: Child
    redis_url: str


@contextmanager
def fleet(gateways: int = 1, /, **settings: object) -> Generator[Fleet]:
    """Run a fleet with stub engines; ``settings`` by their names in lower case, the same for every process."""
    from tests.valkey import valkey  # the server comes with the source, and one process needs none

    with ExitStack() as stack:
        url = stack.enter_context(valkey()).url
        folder = stack.enter_context(_scratch())
        serve, work = ["serve", "--port", "0", "--roles", "gateway"], ["worker", *WORK]
        worker, *others = [
            stack.enter_context(_started(["-m", "antiphon", *words], folder, {**settings, "redis_url": url}))
            for words in (work, *([serve] * gateways))
        ]
        yield Fleet(tuple(others), worker, url)


@contextmanager
def script(name: str, **settings: object) -> Generator[Child]:
    """Run a Python file of this folder that prints one line with its port when it is ready."""
    with _scratch() as folder, _started(["-P", str(HERE / name)], folder, settings) as child:
        yield child


def has_weights(name: str) -> bool:
    """Say whether a model is on this machine."""
    return (default_data_dir() / "weights" / name).is_dir()


@contextmanager
def _scratch() -> Generator[Path]:
    """A data directory with nothing in it but the weights of this machine."""
    with tempfile.TemporaryDirectory(prefix="antiphon-bench-") as name:
        weights = default_data_dir() / "weights"
        if weights.is_dir():
            (Path(name) / "weights").symlink_to(weights)
        yield Path(name)


@contextmanager
def _started(command: list[str], data_dir: Path, settings: dict[str, object]) -> Generator[Child]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    stubs = {f"ANTIPHON_{kind}": "stub" for kind in KINDS}
    given = {f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}
    quiet = {"ANTIPHON_LOG_LEVEL": "error", "ANTIPHON_DATA_DIR": str(data_dir), "ANTIPHON_OFFLINE": "true"}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=own | stubs | quiet | given,
        )
        assert process.stdout is not None
        ready = process.stdout.readline().strip()
        if not ready:
            log.seek(0)
            raise RuntimeError(f"{command} did not start: {log.read()}")
        child = Child(process, int(ready.rpartition(":")[2]))
        try:
            yield child
        finally:
            child.stop()
            with process:  # which closes its pipes
                pass
