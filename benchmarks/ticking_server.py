"""A whole server whose loop also ticks every millisecond; says its longest stall when asked over its input.

Asked for `held`, it says how many tasks it has and how many handshakes it waits for. With ``ANTIPHON_IDLE=1`` it
only ticks.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import uvloop

from antiphon.app.memory import keep_start_apart
from antiphon.app.process import process
from antiphon.app.settings import load_settings
from antiphon.doors.server.app import HttpServer, ServerOptions
from antiphon.observe import logs

TICK_S = 0.001


class Ticker:
    """Measures how late the loop comes back."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.longest_work_ms = 0.0
        """CPU time of the loop's own thread between two ticks: what others on the machine do is not in it."""

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due, worked_s = loop.time() + TICK_S, time.thread_time()
            await asyncio.sleep(TICK_S)
            self.longest_ms = max(self.longest_ms, (loop.time() - due) * 1000)
            self.longest_work_ms = max(self.longest_work_ms, (time.thread_time() - worked_s) * 1000)


async def answer(ticker: Ticker, server: HttpServer | None = None) -> None:
    """Answer questions, one a line, until the input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line.strip() == b"reset":
            ticker.longest_ms = ticker.longest_work_ms = 0.0
        if server is not None and line.strip() == b"held":
            print(len(asyncio.all_tasks()), server.handshakes, flush=True)
        elif line.strip() == b"work":
            print(ticker.longest_work_ms, flush=True)
        else:
            print(ticker.longest_ms, flush=True)


async def main() -> None:
    """Serve, tick and answer."""
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    if os.environ.get("ANTIPHON_IDLE"):
        print("ready :0", flush=True)
        await answer(ticker)
        ticking.cancel()
        return
    logs.configure(service="benchmark", level="error")
    stop = asyncio.Event()
    settings = load_settings()
    async with process(settings) as running:
        options = ServerOptions(
            port=0,
            handshake_timeout_s=settings.handshake_timeout_s,
            max_handshakes=settings.max_handshakes,
            max_undecoded_bytes=settings.max_undecoded_bytes,
        )
        server = HttpServer(running.app, options)

        def ready(url: str) -> None:
            keep_start_apart()
            print(f"ready {url}", flush=True)

        serving = asyncio.create_task(server.serve(stop=stop, ready=ready, drain=running.drain))
        await answer(ticker, server)
        stop.set()
        await serving
    ticking.cancel()


if __name__ == "__main__":
    uvloop.run(main())
