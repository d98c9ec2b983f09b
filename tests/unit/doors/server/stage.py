"""A server on a free port of this machine, around an application of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from antiphon.doors.server.app import HttpServer, ServerOptions

WITHIN_S = 20.0
"""Bounds a hang, and says nothing of how quick a machine is."""


@dataclass
class Running:
    """A server that listens."""

    server: HttpServer
    url: str
    stop: asyncio.Event
    done: asyncio.Task[None]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def handshakes(self, number: int) -> None:
        """Return when so many connections wait for what a stranger owes them."""
        await until(lambda: self.server.handshakes == number)


@asynccontextmanager
async def running(app: Any, *, drain: Any = None, **options: Any) -> AsyncIterator[Running]:
    """Serve ``app`` as long as the context lasts."""
    server = HttpServer(app, ServerOptions(port=0, shutdown_s=1, **options))
    stop = asyncio.Event()
    bound: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    done = asyncio.create_task(server.serve(stop=stop, ready=bound.set_result, drain=drain))
    try:
        yield Running(server, await bound, stop, done)
    finally:
        stop.set()
        await done


async def until(holds: Callable[[], bool]) -> None:
    """Return as soon as ``holds`` does."""
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.005)
