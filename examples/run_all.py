"""Runs every example against a server of its own on stub engines; fails when one of them does.

An example is a script that reads the server's address from ``ANTIPHON_URL`` and ends with 0. ``demo.py`` starts a
server with the real engines itself and is run by ``make demo``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_HERE = ("run_all.py", "demo.py")
KINDS = ("STT", "LLM", "TTS", "TRANSLATION", "VAD", "END_OF_TURN")
EXAMPLE_S = 60.0


def main() -> int:
    """Run them all; returns the number of those that failed."""
    with server() as url:
        failed = [path.name for path in sorted(HERE.glob("*.py")) if path.name not in NOT_HERE and not runs(path, url)]
    return len(failed)


@contextmanager
def server() -> Generator[str]:
    """Serve on a free port with stub engines, and give the address."""
    stubs = {f"ANTIPHON_{kind}": "stub" for kind in KINDS} | {"ANTIPHON_LOG_LEVEL": "warning"}
    with tempfile.TemporaryDirectory(prefix="antiphon-examples-") as data_dir:
        command = [sys.executable, "-m", "antiphon", "serve", "--port", "0", "--data-dir", data_dir]
        process = subprocess.Popen(command, env=os.environ | stubs, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(30)


def runs(path: Path, url: str) -> bool:
    """Run one example in an empty folder; print what it said if it failed."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(path)],
            cwd=folder,
            env=os.environ | {"ANTIPHON_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=EXAMPLE_S,
        )
    print(f"examples/{path.name}: {'ok' if done.returncode == 0 else 'FAILED'}, {time.monotonic() - start:.1f} s")
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
