"""A fleet on this machine: Valkey, PostgreSQL, two gateways behind a front, a worker of each role.

python -m tools.fleet up      start it in the background, and ask it a question
python -m tools.fleet down    stop it
python -m tools.fleet run     run it here, until a signal comes
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from tests.postgres import create, postgres
from tests.valkey import Valkey

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".fleet"
PID, URL, LOG = FOLDER / "pid", FOLDER / "url", FOLDER / "log"
PORT = 8000
EVENTS = ("relay", "analyse", "remember", "webhook")
WORKERS = (("transcribe", "score"), ("respond",), ("speak",), ("translate", "persist", "dub"), EVENTS)
START_S = 300.0
"""The first start fetches the weights."""
STOP_S = 45.0


def main(words: list[str]) -> int:
    """Do what the word says; returns the exit code."""
    match words:
        case ["up"]:
            return up()
        case ["down"]:
            return down()
        case ["run"]:
            return asyncio.run(run())
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def up() -> int:
    """Start the fleet in a session of its own, and run the demo against its front."""
    if _running() is not None:
        print("the fleet runs already; stop it with: make fleet-down", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    URL.unlink(missing_ok=True)
    with LOG.open("w") as log:
        command = [sys.executable, "-m", "tools.fleet", "run"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    print(f"starting Valkey, PostgreSQL, two gateways, {len(WORKERS)} workers and a front (log: {LOG}) ...", flush=True)
    deadline = time.monotonic() + START_S
    while not URL.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            print(LOG.read_text(), file=sys.stderr)
            return 1
        time.sleep(0.1)
    url = URL.read_text()
    print(f"the fleet answers at {url}; stop it with: make fleet-down", flush=True)
    return subprocess.run([sys.executable, "examples/demo.py", url], cwd=ROOT, check=False).returncode


def down() -> int:
    """Stop the fleet."""
    pid = _running()
    if pid is None:
        print("no fleet runs here")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _running() is not None:
        if time.monotonic() > deadline:
            print(f"the fleet (process {pid}) does not stop; see {LOG}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print("the fleet is down")
    return 0


def _running() -> int | None:
    """Return the process that runs the fleet, if there is one."""
    try:
        pid = int(PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"tools.fleet" in command else None


class _Bounded(Valkey):
    """As a fleet should have it: with an end to its memory, and without throwing anything away."""

    _options = ("--maxmemory", "2gb", "--maxmemory-policy", "noeviction")


async def run() -> int:
    """Run the fleet until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    FOLDER.mkdir(exist_ok=True)
    PID.write_text(str(os.getpid()))
    data = FOLDER / "valkey"
    data.mkdir(exist_ok=True)
    server = _Bounded(data)
    try:
        with contextlib.ExitStack() as stack:
            shared = {"ANTIPHON_REDIS_URL": server.url, **await _database(stack)}
            gateways = stack.enter_context(_members(shared))
            ports = [int((await asyncio.to_thread(_ready, gateway)).rpartition(":")[2]) for gateway in gateways]
            async with await asyncio.start_server(Front(ports).connect, "127.0.0.1", PORT):
                URL.write_text(f"http://127.0.0.1:{PORT}")
                await stop.wait()
    finally:
        server.stop()
        for file in (URL, PID):
            file.unlink(missing_ok=True)
    return 0


async def _database(stack: contextlib.ExitStack) -> dict[str, str]:
    """Return the settings of the database: what is configured, else a new PostgreSQL that ends with ``stack``."""
    if os.environ.get("ANTIPHON_DATABASE_URL"):
        return {}
    made = await create(stack.enter_context(postgres()).url(), vectors=True)
    owner = {**os.environ, "ANTIPHON_DATABASE_OWNER_URL": made.url("antiphon_owner")}
    await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "antiphon", "db", "upgrade"], env=owner, check=True)
    return {"ANTIPHON_DATABASE_URL": made.url("antiphon_app"), "ANTIPHON_DATABASE_JOBS_URL": made.url("antiphon_jobs")}


@contextlib.contextmanager
def _members(shared: Mapping[str, str]) -> Generator[list[subprocess.Popen[str]]]:
    """Run gateways and workers; yields the gateways once the workers are ready."""
    blobs = os.environ.get("ANTIPHON_BLOBS_PATH", str(FOLDER / "blobs"))
    environment = {**os.environ, **shared, "ANTIPHON_BLOBS_PATH": blobs}
    subprocess.run([sys.executable, "-m", "antiphon", "models", "pull"], check=True)  # once, not in every process
    commands = [["serve", "--roles", "gateway", "--port", "0"]] * 2 + [["worker", *roles] for roles in WORKERS]
    members = [
        subprocess.Popen([sys.executable, "-m", "antiphon", *words], env=environment, stdout=subprocess.PIPE, text=True)
        for words in commands
    ]
    try:
        for member in members[2:]:
            _ready(member)
        yield members[:2]
    finally:
        for member in members:
            member.terminate()
        for member in members:
            member.wait(STOP_S)


def _ready(member: subprocess.Popen[str]) -> str:
    assert member.stdout is not None
    words = member.stdout.readline().split()
    if not words:
        raise RuntimeError("a member of the fleet did not start; see the log")
    return words[-1]


class Front:
    """Passes connections on to the gateways in turn, and to the next one where one does not answer."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._count = len(ports)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        for _ in range(self._count):
            try:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", next(self._ports))
            except OSError:
                continue
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
            return
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
