"""A10: the longest stall of the event loop under mixed load with real engines, beside an idle loop at the same time.

The platform runs in a process of its own whose loop also ticks every millisecond; the control is a process that only
ticks. Both run side by side, so that what the machine does to one it does to the other.
"""

from __future__ import annotations

import asyncio

from benchmarks import stage, wire
from benchmarks.figures import Figure
from benchmarks.voice import ENGINES, questions

TALKERS = 3
WRITERS = 5


def run(short: bool) -> list[Figure]:
    """Let sessions speak and write, and ask both processes for their longest stall."""
    seconds = 15.0 if short else 60.0
    engines = ENGINES if stage.has_weights("whisper-base") else {}
    with stage.script("ticking_server.py", idle=1) as idle, stage.script("ticking_server.py", **engines) as busy:
        asyncio.run(_load(busy.port, 3.0))  # what happens once is not what is measured
        idle.ask("reset")
        busy.ask("reset")
        asyncio.run(_load(busy.port, seconds))
        control, ours = float(idle.ask("longest")), float(busy.ask("longest"))
    what = f"longest stall of the loop in {seconds:.0f} s, {'real' if engines else 'stub'} engines, beyond an idle loop"
    return [Figure("A10", what, max(0.0, ours - control), "ms", 10, control, "an idle loop's longest")]


async def _load(port: int, seconds: float) -> None:
    """Speak, write, interrupt and cancel for so long."""
    asked = questions()
    talks = [_talk(port, asked[number % len(asked)][0]) for number in range(TALKERS)]
    writes = [_write(port) for _ in range(WRITERS)]
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*talks, *writes)
    except TimeoutError:
        return


async def _talk(port: int, frames: list[bytes]) -> None:
    socket = await wire.Socket.connect(port, "/v1/realtime?model=m", lambda text: None)
    try:
        while True:
            for frame in frames:
                socket.send(frame)
                await asyncio.sleep(0.02)
    finally:
        socket.close()


async def _write(port: int) -> None:
    socket = await wire.Socket.connect(port, "/v1/realtime?model=m", lambda text: None)
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "say something"}]}
    try:
        while True:
            socket.send(wire.event("conversation.item.create", item=message))
            socket.send(wire.event("response.create"))
            await asyncio.sleep(1.0)
            socket.send(wire.event("response.cancel"))
            await asyncio.sleep(0.5)
    finally:
        socket.close()
