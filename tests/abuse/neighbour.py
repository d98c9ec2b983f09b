"""Asks a server for its health again and again, and says over its output how long the longest answer took.

``python neighbour.py PORT PID``, with the server's process id; a line on its input asks for the longest round trip
since the line before, in ms. The time that the server or this process stood in line for a processor is not counted:
other programs took it.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

PAUSE_S = 0.005
REQUEST = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def main() -> None:
    """Ask until the input ends."""
    processes = (int(sys.argv[2]), os.getpid())
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120) as server:
        print("ready :0", flush=True)
        longest_s = 0.0
        while True:
            start_s, stood = time.perf_counter(), [in_line_s(one) for one in processes]
            server.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"}"):  # head and body come one by one
                more = server.recv(65_536)
                if not more:
                    sys.exit("the server has closed the connection")
                answer += more
            passed_s = time.perf_counter() - start_s
            longest_s = max(longest_s, passed_s - sum(map(longest_wait_s, processes, stood)))
            if select.select([sys.stdin], [], [], PAUSE_S)[0]:
                if not sys.stdin.readline():
                    return
                print(longest_s * 1000, flush=True)
                longest_s = 0.0


def longest_wait_s(process: int, before: dict[str, float]) -> float:
    """Return how long the loop's thread stood in line since, and any other that may have had the lock meanwhile."""
    since = {name: stood_s - before.get(name, 0.0) for name, stood_s in in_line_s(process).items()}
    first = since.pop(str(process), 0.0)
    return first + max(since.values(), default=0.0)


def in_line_s(process: int) -> dict[str, float]:
    """Return for each thread how long it was ready to run and did not; nothing where Linux keeps no count.

    The second figure of schedstat, in ns (Documentation/scheduler/sched-stats.rst of the kernel).
    """
    found: dict[str, float] = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            found[thread.name] = int((thread / "schedstat").read_bytes().split()[1]) / 1e9
    return found


if __name__ == "__main__":
    main()
