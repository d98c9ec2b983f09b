"""The server's side of one run of an engine's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from antiphon.errors import ProviderUnavailable
from antiphon.providers.hosting.environment import OF_DOWNLOADS, child_environment
from antiphon.providers.hosting.frames import (
    AnyReply,
    AnyRequest,
    Cancel,
    Done,
    Failed,
    Frames,
    Ready,
    decode_reply,
    frame,
)

Replies = asyncio.Queue[AnyReply | None]
"""The replies to one request, at most one sentence; None means that the process is gone."""

_EXIT_TIMEOUT_S = 1.0
"""How long a process may take to exit once its input is closed."""

_log = structlog.get_logger(__name__)
_OF_MODELS = (
    *("COQUI_", "CUDA_", "HF_", "HIP_", "NUMBA_", "NVIDIA_", "ORT_", "PYTORCH_", "ROCR_", "TORCH_", "TORCHINDUCTOR_"),
    *("MPLCONFIGDIR", "TTS_HOME"),
)
"""Variables that configure accelerators and model libraries."""


class ChildLink(asyncio.SubprocessProtocol):
    """Sends requests to the process and dispatches its replies by request.

    A process that writes an invalid frame is killed: the bytes after it cannot be trusted.
    """

    def __init__(self, engine: str) -> None:
        loop = asyncio.get_running_loop()
        self._engine = engine
        self._loop = loop
        self._ready: asyncio.Future[Ready] = loop.create_future()
        self._ready.add_done_callback(_retrieve)
        self._gone: asyncio.Future[None] = loop.create_future()
        self._frames = Frames()
        self._open: dict[int, tuple[Replies, Callable[[], None]]] = {}
        self._last_output_s = loop.time()
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def launch(cls, engine: str, command: Sequence[str]) -> ChildLink:
        """Start the process; its engine is loaded when `ready` returns."""
        loop = asyncio.get_running_loop()
        # a session of its own: Ctrl-C reaches only the server, which then closes the process's input
        _, link = await loop.subprocess_exec(
            lambda: cls(engine),
            *command,
            stderr=None,
            start_new_session=True,
            env=child_environment(*_OF_MODELS, *OF_DOWNLOADS),  # some engines download their models
        )
        return link

    @property
    def is_gone(self) -> bool:
        """True when the process has exited."""
        return self._gone.done()

    @property
    def pid(self) -> int:
        """The process id; 0 before the process runs."""
        return self._transport.get_pid() or 0 if self._transport else 0

    async def ready(self) -> Ready:
        """Wait until the engine is loaded and return its description. Raises `ProviderUnavailable`."""
        return await asyncio.shield(self._ready)

    def open(self, request: AnyRequest, on_over: Callable[[], None]) -> Replies:
        """Send a request; its replies arrive in the queue. ``on_over`` is called once, after the last one."""
        replies: Replies = asyncio.Queue()
        if self.is_gone:
            replies.put_nowait(None)
        self._open[request.id] = replies, on_over
        self._send(request)
        return replies

    def forget(self, request_id: int) -> None:
        """Ignore further replies, and cancel the request unless it is over."""
        if self._over(request_id):
            self._send(Cancel(request_id))

    def kill_if_silent(self, silent_s: float) -> None:
        """Kill the process if it has sent nothing for ``silent_s``; a busy one keeps running."""
        if self._loop.time() - self._last_output_s >= silent_s:
            self._kill("silent")

    async def close(self) -> None:
        """Stop the process: close its input, and kill it if it has not exited after a second."""
        if self._transport is None or self.is_gone:
            return
        if stdin := self._transport.get_pipe_transport(0):
            stdin.close()
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self._kill("does not exit")
            await asyncio.shield(self._gone)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop when the process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's is no subclass

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """Called by the event loop when the process has written output."""
        self._last_output_s = self._loop.time()
        try:
            for body in self._frames.feed(cast("bytes", data)):
                self._dispatch(decode_reply(body))
        except ValueError as exc:
            self._kill(f"broken frame: {exc}")

    def process_exited(self) -> None:
        """Called by the event loop when the process has exited."""
        if not self._ready.done():
            self._ready.set_exception(ProviderUnavailable(f"the process of {self._engine} did not start"))
        for request_id, (replies, _) in list(self._open.items()):
            replies.put_nowait(None)
            self._over(request_id)
        if not self._gone.done():
            self._gone.set_result(None)
        if self._transport is not None:
            self._transport.close()

    def _dispatch(self, reply: AnyReply) -> None:
        if isinstance(reply, Ready):
            if not self._ready.done():
                self._ready.set_result(reply)
        elif isinstance(reply, Failed) and reply.id == 0:
            if not self._ready.done():
                error = ProviderUnavailable(f"{self._engine} could not be loaded", detail=reply.message)
                self._ready.set_exception(error)
        elif opened := self._open.get(reply.id):
            opened[0].put_nowait(reply)
            if isinstance(reply, Done | Failed):
                self._over(reply.id)

    def _over(self, request_id: int) -> bool:
        """End a request and call its ``on_over``; return False if it was over already."""
        opened = self._open.pop(request_id, None)
        if opened is not None:
            opened[1]()
        return opened is not None

    def _send(self, request: AnyRequest) -> None:
        if self._transport is None or self.is_gone:
            return
        stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        if not stdin.is_closing():
            stdin.write(frame(request))

    def _kill(self, reason: str) -> None:
        if self._transport is not None and not self.is_gone:
            _log.warning("engine process killed", engine=self._engine, reason=reason)
            self._transport.kill()


def _retrieve(future: asyncio.Future[Ready]) -> None:
    if not future.cancelled():
        future.exception()  # the waiter may be gone: the loop must not log the error as unretrieved
