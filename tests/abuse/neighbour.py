"""Asks a server for its health again and again, and says over its output how long the longest answer took.

``python neighbour.py PORT``; a line on its input asks for the longest round trip since the line before, in ms.
"""

from __future__ import annotations

import select
import socket
import sys
import time

PAUSE_S = 0.005
REQUEST = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def main() -> None:
    """Ask until the input ends."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120) as server:
        print("ready :0", flush=True)
        longest_ms = 0.0
        while True:
            start = time.perf_counter()
            server.sendall(REQUEST)
            answer = server.recv(65_536)
            longest_ms = max(longest_ms, (time.perf_counter() - start) * 1000)
            if not answer:
                sys.exit("the server has closed the connection")
            if select.select([sys.stdin], [], [], PAUSE_S)[0]:
                if not sys.stdin.readline():
                    return
                print(longest_ms, flush=True)
                longest_ms = 0.0


if __name__ == "__main__":
    main()
