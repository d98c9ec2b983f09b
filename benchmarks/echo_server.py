"""The floor: uvicorn with uvloop and its fastest WebSocket, and an application that sends every message back."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
import uvloop


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back whatever comes."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def main() -> None:
    """Serve on any free port until the process ends."""
    config = uvicorn.Config(
        echo,
        port=0,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=50 * 2**20,
        log_level="critical",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(main())
