"""A14: from a job's submission to its handler in another process, over Redis.

Beside it, in turns with it and between the same two processes, a bare entry through XADD, XREADGROUP and XACK, and a
PING. Both processes read the clock of the machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

import uvloop
from redis.asyncio import Redis

from antiphon.bus.redis.bus import RedisBus
from antiphon.connections.redis import RedisConnection
from antiphon.ports.bus import Bus
from antiphon.wire.entries import TranslationReady
from antiphon.wire.jobs import Job, Translate
from antiphon.workers import loop
from antiphon.workers.loop import Emit
from benchmarks.figures import ROUNDS, Figure, best, tell
from tests.options import pipe_limit, queue_limit, worker_options
from tests.valkey import valkey

SLOTS = (4, 64)
"""Jobs that a worker does at a time: the default, and as many as a fleet of stubs may have."""
BETWEEN_S = 0.003
_STREAM, _GROUP = "bare", "readers"
Times = dict[str, float]
"""When something was seen, by its name, seconds of the machine's clock."""


def run(short: bool) -> list[Figure]:
    """Measure with few idle slots and with many."""
    hops = 200 if short else 2_000
    rounds = {slots: [_round(hops, slots) for _ in range(ROUNDS)] for slots in SLOTS}
    figures: list[Figure] = []
    for name, share, limit in (("p50", 0.5, 1.0), ("p99", 0.99, 5.0)):
        # where many slots look for every job, the bare reader beside them waits too
        bare, pings = (best([one[at] for one in rounds[SLOTS[0]]], share) for at in (1, 2))
        for slots in SLOTS:
            what = f"queue hop, submit to handler, {slots} slots, {name}"
            hop = best([one[0] for one in rounds[slots]], share)
            figures.append(Figure("A14", what, hop, "ms", limit, bare, "bare XADD to XREADGROUP"))
        figures.append(Figure("", f"bare XADD to XREADGROUP, {name}", bare, "ms", None, pings, "PING"))
    return figures


def _round(hops: int, slots: int) -> tuple[list[float], list[float], list[float]]:
    """Return the times of the hops, the bare hops and the PINGs, milliseconds."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    with valkey() as server:
        handler = processes.Process(target=_handle, args=(server.url, slots, there))
        handler.start()
        try:
            here.recv()
            sent, pings = uvloop.run(_send(server.url, hops))
            here.send("enough")
            seen: Times = here.recv()
        finally:
            handler.terminate()
            handler.join()
    waits = {name: (seen[name] - at) * 1000 for name, at in sent.items()}
    ours = [wait for name, wait in waits.items() if name.startswith("job")]
    return ours, [wait for name, wait in waits.items() if not name.startswith("job")], pings


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[tuple[RedisBus, Any]]:
    """Open a bus, and a bare client."""
    connection = RedisConnection(url)
    bus, client = RedisBus(connection, queue_limit(), pipe_limit()), Redis.from_url(url, protocol=2)
    await bus.start()
    try:
        yield bus, client
    finally:
        await bus.close()
        await connection.close()
        await client.aclose()


# -- who submits -----------------------------------------------------------------------------------------------------
async def _send(url: str, hops: int) -> tuple[Times, list[float]]:
    sent: Times = {}
    pings: list[float] = []
    async with _connected(url) as (bus, client):
        for number in range(hops + 1):
            job = Job(f"job{number}", "translate", Translate("good morning", "de"), f"out{number}")
            sent[job.id] = time.monotonic()
            await bus.submit(job)
            await asyncio.sleep(BETWEEN_S)
            sent[str(number)] = time.monotonic()
            await client.xadd(_STREAM, {"name": number})
            await asyncio.sleep(BETWEEN_S)
            began = time.monotonic()
            await client.ping()
            pings.append((time.monotonic() - began) * 1000)
            await asyncio.sleep(BETWEEN_S)
        await asyncio.sleep(0.5)  # the last ones are on their way
    del sent["job0"], sent["0"]  # the first of each opens connections and loads scripts
    return sent, pings[1:]


# -- who handles -----------------------------------------------------------------------------------------------------
def _handle(url: str, slots: int, asked: Connection) -> None:
    """Do what comes, until asked when."""
    uvloop.run(_serve(url, slots, asked))


async def _serve(url: str, slots: int, asked: Connection) -> None:
    seen: Times = {}

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        seen[job.id] = time.monotonic()
        await emit([TranslationReady(job.id, "guten Morgen")])

    async with _connected(url) as (bus, client):
        await client.xgroup_create(_STREAM, _GROUP, mkstream=True)
        tasks = [
            asyncio.create_task(
                loop.run(bus, "translate", handle, "handler", worker_options(), concurrency=slots), name="worker"
            ),
            asyncio.create_task(_read(client, seen), name="bare reader"),
        ]
        await asyncio.sleep(0.5)
        asked.send("ready")
        await asyncio.to_thread(asked.recv)
        asked.send(seen)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(client: Any, seen: Times) -> None:
    while True:
        ((_, entries),) = await client.xreadgroup(_GROUP, "reader", {_STREAM: ">"}, count=1, block=0)
        for entry, fields in entries:
            seen[fields[b"name"].decode()] = time.monotonic()
            await client.xack(_STREAM, _GROUP, entry)


if __name__ == "__main__":
    tell(run)
