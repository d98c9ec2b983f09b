"""The main loop of an engine's process: load the engine, answer requests in order, stop cancelled ones.

The process exits with the server: its standard input is closed then, even if the server crashed.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from antiphon.providers.hosting.frames import (
    AnyReply,
    AnyRequest,
    Cancel,
    Done,
    Failed,
    Frames,
    Ready,
    decode_request,
    frame,
)

Send = Callable[[AnyReply], bool]
"""Sends a reply; False says that the request is cancelled and its engine should stop."""

_READ_BYTES = 65_536


class ChildEngine(Protocol):
    """An engine in its own process, called from one thread."""

    def ready(self) -> Ready:
        """Describe the loaded engine."""
        ...

    def answer(self, request: AnyRequest, send: Send) -> None:
        """Handle one request and send its replies; the loop sends `Done`."""
        ...


def serve(load: Callable[[], ChildEngine]) -> None:
    """Run an engine over standard input and output until the input ends."""
    loop = _Loop(take_stdout())
    threading.Thread(target=loop.read, name="requests", daemon=True).start()
    try:
        engine = load()
        loop.send(engine.ready())
    except Exception as exc:  # noqa: BLE001  # outermost: reports the reason to the server before exiting
        loop.send(Failed(0, _describe(exc)))
        sys.exit(1)
    loop.run(engine)


class _Loop:
    def __init__(self, output: int) -> None:
        self._output = output
        self._requests: queue.Queue[AnyRequest] = queue.Queue()  # bounded by the server's callers
        self._cancelled: set[int] = set()

    def read(self) -> None:
        frames = Frames()
        while data := os.read(0, _READ_BYTES):
            for body in frames.feed(data):
                request = decode_request(body)
                if isinstance(request, Cancel):
                    self._cancelled.add(request.id)
                else:
                    self._requests.put(request)
        os._exit(0)  # also in the middle of a request

    def run(self, engine: ChildEngine) -> None:
        while True:
            request = self._requests.get()
            try:
                if request.id not in self._cancelled:
                    engine.answer(request, self.send)
                self.send(Done(request.id))
            except Exception as exc:  # noqa: BLE001  # outermost: one bad request must not end the engine
                self.send(Failed(request.id, _describe(exc)))
            self._cancelled = {one for one in self._cancelled.copy() if one > request.id}

    def send(self, reply: AnyReply) -> bool:
        if reply.id in self._cancelled and not isinstance(reply, Done | Failed):
            return False
        data = memoryview(frame(reply))
        while data:
            data = data[os.write(self._output, data) :]
        return True


def take_stdout() -> int:
    """Reserve standard output for frames: output that libraries print goes to standard error."""
    output = os.dup(1)
    os.dup2(2, 1)
    return output


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
