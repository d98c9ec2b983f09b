"""A whole server whose loop also ticks every millisecond; says its longest stall when asked over its input.

With ``ANTIPHON_IDLE=1`` it only ticks.
"""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from antiphon.app.settings import load_settings
from antiphon.app.wiring import platform
from antiphon.doors.server import HttpServer, ServerOptions
from antiphon.observe import logs

TICK_S = 0.001


class Ticker:
    """Measures how late the loop comes back."""

    def __init__(self) -> None:
        self.longest_ms = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self.longest_ms = max(self.longest_ms, (loop.time() - due) * 1000)


async def answer(ticker: Ticker) -> None:
    """Answer questions, one a line, until the input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line.strip() == b"reset":
            ticker.longest_ms = 0.0
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
    async with platform(load_settings()) as running:
        server = HttpServer(running.app, ServerOptions(port=0))
        serving = asyncio.create_task(
            server.serve(stop=stop, ready=lambda url: print(f"ready {url}", flush=True), drain=running.drain)
        )
        await answer(ticker)
        stop.set()
        await serving
    ticking.cancel()


if __name__ == "__main__":
    uvloop.run(main())
