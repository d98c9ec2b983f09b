"""A9: resident memory of an idle session, beside an idle connection of the echo server."""

from __future__ import annotations

import asyncio
import resource

from benchmarks import stage, wire
from benchmarks.figures import Figure

_PATH = "/v1/realtime?model=gpt-realtime"
_AT_ONCE = 100
_SETTLE_S = 1.0


def run(short: bool) -> list[Figure]:
    """Open many connections and leave them alone."""
    sockets = 1_000 if short else 5_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * sockets), most))
    with stage.script("echo_server.py") as server:
        floor = asyncio.run(_each_kib(server, "/", sockets))
    with stage.antiphon(max_connections=2 * sockets) as server:
        ours = asyncio.run(_each_kib(server, _PATH, sockets))
    return [Figure("A9", f"memory per idle session, {sockets} sockets", ours, "KiB", 40, floor, "echo")]


async def _each_kib(server: stage.Child, path: str, sockets: int) -> float:
    """Return how much the server grows with each connection; the first ones only warm it up."""
    held = await _connect(server, path, _AT_ONCE)
    await asyncio.sleep(_SETTLE_S)
    before = server.rss_bytes()
    for _ in range(sockets // _AT_ONCE):
        held += await _connect(server, path, _AT_ONCE)
    await asyncio.sleep(_SETTLE_S)
    grown = server.rss_bytes() - before
    for socket in held:
        socket.close()
    return grown / 1024 / sockets


async def _connect(server: stage.Child, path: str, sockets: int) -> list[wire.Socket]:
    calls = [wire.Socket.connect(server.port, path, lambda text: None) for _ in range(sockets)]
    return list(await asyncio.gather(*calls))
