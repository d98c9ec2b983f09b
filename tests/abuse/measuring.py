"""What an attack costs a server: stalls of its loop, a neighbour's round trips, memory and CPU of all its processes.

The server runs with stub engines in a process of its own whose loop ticks every millisecond. A control process that
only ticks runs next to it, so that what the machine does to both is subtracted. Times are divided by how much slower
this machine is, at this moment, than the one that the bounds were chosen on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import stage

MIB = 2**20
NEIGHBOUR = Path(__file__).with_name("neighbour.py")
_SAMPLE_S = 0.01
_WORK_S = 0.008
"""CPU time of the work of `slowness` on the machine that the bounds of the tests were chosen on."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Harm:
    """What an attack did; times as on the machine that the bounds were chosen on."""

    stall_ms: float
    """Longest stall of the server's loop beyond that of an idle loop at the same time, as far as it was at work.

    On a machine with much else to do a busy process stands still for longer than an idle one, and for no fault of it.
    """
    neighbour_ms: float
    """Longest round trip of a neighbour beyond its longest before the attack, but for what both stood in line for a
    processor: tests that run at the same time take it."""
    memory_bytes: int
    """Peak resident memory of the server and its children, beyond what they had before."""
    cpu_s: float
    """CPU time of the server and its children."""

    def is_calm(self, *, stall_ms: float = 10.0, neighbour_ms: float = 100.0) -> bool:
        """Say whether others did not notice."""
        return self.stall_ms <= stall_ms and self.neighbour_ms <= neighbour_ms


class Victim:
    """A server to attack, with its control and its neighbour."""

    def __init__(self, server: stage.Child, control: stage.Child, neighbour: subprocess.Popen[str]) -> None:
        self.server = server
        self.port = server.port
        self.url = f"http://127.0.0.1:{server.port}"
        self._control = control
        self._neighbour = neighbour

    async def suffer(self, attack: Callable[[], Awaitable[object]], *, tries: int = 5) -> Harm:
        """Attack up to ``tries`` times, until others do not notice; the machine is noisy. Returns the last harm."""
        harm = await self._measure(attack)
        for _ in range(tries - 1):
            if harm.is_calm():
                break
            harm = await self._measure(attack)
        print(harm)
        return harm

    async def _measure(self, attack: Callable[[], Awaitable[object]]) -> Harm:
        threading.Event().wait(0.2)
        self._longest_round_trip_ms()
        threading.Event().wait(0.3)
        idle_ms = self._longest_round_trip_ms()
        for process in (self._control, self.server):
            process.ask("reset")
        with watched(self.server.pid) as spent:
            await attack()
        neighbour_ms = self._longest_round_trip_ms()
        late_ms = float(self.server.ask("longest")) - float(self._control.ask("longest"))
        stall_ms = min(late_ms, float(self.server.ask("work")))
        slow = slowness()
        passed_ms = max(0.0, stall_ms) / slow, max(0.0, neighbour_ms - idle_ms) / slow
        return Harm(*passed_ms, spent.peak_bytes, spent.cpu_s / slow)

    def _longest_round_trip_ms(self) -> float:
        assert self._neighbour.stdin is not None
        assert self._neighbour.stdout is not None
        self._neighbour.stdin.write("longest\n")
        self._neighbour.stdin.flush()
        return float(self._neighbour.stdout.readline())


@contextmanager
def victim(**settings: object) -> Generator[Victim]:
    """Run a server with stub engines; ``settings`` by their names in lower case."""
    with stage.script("ticking_server.py", idle=1) as control, stage.script("ticking_server.py", **settings) as server:
        command = [sys.executable, str(NEIGHBOUR), str(server.port), str(server.pid)]
        neighbour = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert neighbour.stdin is not None
        assert neighbour.stdout is not None
        try:
            assert neighbour.stdout.readline().startswith("ready")
            yield Victim(server, control, neighbour)
        finally:
            neighbour.stdin.close()
            neighbour.kill()
            neighbour.wait()
            neighbour.stdout.close()


class Spent:
    """Memory and CPU time of a process and its descendants, sampled."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._base_bytes = rss_bytes(pid)
        self._base_cpu = self._cpu_of_each()
        self._cpu = dict(self._base_cpu)
        self.peak_bytes = 0

    def sample(self) -> None:
        """Look once."""
        self.peak_bytes = max(self.peak_bytes, rss_bytes(self._pid) - self._base_bytes)
        self._cpu |= self._cpu_of_each()

    @property
    def cpu_s(self) -> float:
        """Seconds since the beginning; of processes that ended, as last seen."""
        return sum(self._cpu.values()) - sum(self._base_cpu.values())

    def _cpu_of_each(self) -> dict[int, float]:
        return {one: cpu for one in family(self._pid) if (cpu := _cpu_s(one)) is not None}


@contextmanager
def watched(pid: int) -> Generator[Spent]:
    """Watch a process and its descendants from a thread, every 10 ms."""
    spent, stop = Spent(pid), threading.Event()

    def watch() -> None:
        while not stop.wait(_SAMPLE_S):
            spent.sample()

    thread = threading.Thread(target=watch, name="watch memory")
    thread.start()
    try:
        yield spent
    finally:
        stop.set()
        thread.join()
        spent.sample()


def slowness() -> float:
    """Return how many times the CPU time of `_WORK_S` the same work takes here and now; at least 1."""
    took_s: list[float] = []
    for _ in range(3):
        begin_s = time.thread_time()
        for _ in range(5):
            json.dumps([{"number": number, "text": str(number)} for number in range(2000)])
        took_s.append(time.thread_time() - begin_s)
    return max(1.0, min(took_s) / _WORK_S)


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in (entry.name for entry in Path("/proc").iterdir()):
        if name.isdigit() and (stat := _stat(int(name))):
            children.setdefault(int(stat[1]), []).append(int(name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants."""
    page = os.sysconf("SC_PAGE_SIZE")
    sizes = (_read(Path(f"/proc/{one}/statm")).split() for one in family(pid))
    return sum(int(size[1]) * page for size in sizes if size)


def _cpu_s(pid: int) -> float | None:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / _TICKS_PER_S if stat else None


def _stat(pid: int) -> list[str]:
    """Return the fields of proc(5) behind the name, the state first; none for a process that has ended."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
