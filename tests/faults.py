"""A TCP proxy that makes whatever stands behind it fail, in the ways in which dependencies fail."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Literal

Fault = Literal["none", "down", "slow", "garbage", "half-open"]
FAULTS: tuple[Fault, ...] = ("down", "slow", "garbage", "half-open")
SLOW_S = 3.0
"""Longer than whoever calls waits, in tests."""


class FaultProxy:
    """Passes bytes on, until it is told not to. Connections feel a new fault as well as those that come later.

    *down* refuses and resets; *slow* holds every piece back for `SLOW_S`; *garbage* answers with random bytes;
    *half-open* takes all and says nothing, and connections that went through it stay dead afterwards.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._fault: Fault = "none"
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(7)
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def set(self, fault: Fault) -> None:
        """Fail like this from now on; ``none`` repairs it."""
        self._fault = fault
        if fault == "down":
            await self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(*self._upstream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, upstream, answers=False))
                group.create_task(self._pass(answers, writer, answers=True))
        except* (OSError, asyncio.IncompleteReadError, _Ended):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        is_dead = False
        while data := await source.read(65536):
            is_dead = is_dead or self._fault == "half-open"
            if is_dead:
                continue
            if self._fault == "slow":
                await asyncio.sleep(SLOW_S)
            sink.write(self._random.randbytes(len(data)) if answers and self._fault == "garbage" else data)
            await sink.drain()
        raise _Ended


class _Ended(Exception):
    """One side has left: the other is hung up on."""


@contextlib.asynccontextmanager
async def faulty(host: str, port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy before ``host:port``; it begins without a fault."""
    proxy = FaultProxy(host, port)
    await proxy.set("none")
    try:
        yield proxy
    finally:
        await proxy.set("down")
