"""File decoders in child processes: a file that crashes or blocks one does not affect other callers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import IO

import msgspec
import structlog

from antiphon.audio.pyav import invalid_audio
from antiphon.errors import AntiphonError, ProviderUnavailable
from antiphon.ports.decoder import ANY_FILE, DecodeLimits
from antiphon.providers.decoding.frames import Decode, FileDecoded, FileRefused, Ready, Reply, Samples
from antiphon.providers.hosting.environment import child_environment
from antiphon.providers.hosting.frames import LENGTH, MAX_FRAME_BYTES, frame
from antiphon.resilience.fair_slots import FairSlots

WARM = 2
"""Number of processes, hence of files decoded at a time."""
FILES = 200
"""Files after which a process is replaced, which bounds what its libraries leak."""
_WAIT_S = 30.0
_MOST_WAITING = 32
"""Files of one caller that may wait."""
_WARM_AFTER_S = 5.0
"""Delay of the first processes, so that the server answers first; an earlier file starts one on demand."""
_LOADING_S = 30.0
_GRACE_S = 5.0
"""Added to a file's work limit: time to send it, and for the process to report the timeout itself."""
_ENDING_S = 5.0
"""How long a process may take to exit after closing its output."""
_KILLED = frozenset({-1, -2, -9, -15})
"""Exit codes of SIGHUP, SIGINT, SIGKILL and SIGTERM: the process was killed from outside, not by a file."""
_SPARE_S = 1.0
"""Tolerance above the maximum duration: resampling may round up."""
_PIECE_BYTES = 2**20
_SMALL = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One thread and one heap: the memory limit then bounds the work, not per-core reserves of libraries."""

_log = structlog.get_logger(__name__)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class Decoders:
    """A `Decoder` with a few warm processes, each replaced after a fault and after `FILES` files."""

    def __init__(self, *, warm_after_s: float = _WARM_AFTER_S, wait_s: float = _WAIT_S) -> None:
        self._warm_after_s = warm_after_s
        self._places = FairSlots("decoder", WARM, wait_s=wait_s, most_waiting=_MOST_WAITING)
        self._all: set[_Process] = set()
        """Includes processes that are starting."""
        self._idle: list[_Process] = []
        self._starting = asyncio.Lock()
        """Held while a process starts; a file that comes meanwhile takes it, so there are never more than `WARM`."""
        self._missing = asyncio.Event()
        self._missing.set()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The idle processes."""
        return [process.pid for process in self._idle]

    async def run(self) -> None:
        """Keep processes warm until cancelled."""
        await asyncio.sleep(self._warm_after_s)
        while True:
            await self._missing.wait()
            self._missing.clear()
            try:
                while await self._add():
                    pass
            except ProviderUnavailable as error:  # the next file tries again and raises
                _log.warning("decoder start failed", error=error.message)

    async def close(self) -> None:
        """Kill all processes; no new one starts."""
        self._is_closed = True
        self._idle.clear()
        for process in list(self._all):
            await self._end(process)

    async def decode(
        self, file: IO[bytes], rate_hz: int, *, caller: str, limits: DecodeLimits = ANY_FILE
    ) -> AsyncGenerator[bytes]:
        """Yield pieces of samples; see `Decoder`. If the process is killed from outside, another one starts over."""
        async with self._places.place(caller):
            begin, has_yielded = file.tell(), False
            try:
                async with self._process() as process:
                    async for piece in process.decode(file, rate_hz, limits):
                        has_yielded = True
                        yield piece
            except _Killed:
                if has_yielded:
                    raise
            else:
                return
            file.seek(begin)
            async with self._process() as process:
                async for piece in process.decode(file, rate_hz, limits):
                    yield piece

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[_Process]:
        """Lend a process; it is killed if the context ends in mid-file."""
        process = await self._take()
        try:
            yield process
        finally:
            if process.is_ready and process.files < FILES and not self._is_closed:
                self._idle.append(process)
            else:
                self._missing.set()
                await self._end(process)

    async def _take(self) -> _Process:
        """Return an idle process, or a new one. Raises `ProviderUnavailable`."""
        process = self._pop_idle()
        if process is None:
            self._missing.set()
            async with self._starting:
                process = self._pop_idle() or await self._start()
        return process

    def _pop_idle(self) -> _Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._all.discard(process)
            self._missing.set()
        return None

    async def _add(self) -> bool:
        """Start an idle process; return False if there are enough."""
        async with self._starting:
            if self._is_closed or len(self._all) >= WARM:
                return False
            process = await self._start()
            self._idle.append(process)
            return True

    async def _start(self) -> _Process:
        process = await _Process.launch()
        self._all.add(process)
        try:
            if self._is_closed:
                raise ProviderUnavailable("The server is stopping.", code="server_stopping")
            await process.load()
        finally:
            if not process.is_ready:
                await self._end(process)
        return process

    async def _end(self, process: _Process) -> None:
        self._all.discard(process)
        await process.kill()


class _Killed(ProviderUnavailable):
    """The process was killed from outside."""


class _Broken(Exception):
    """The process sent something that is not a valid reply."""


class _Process:
    """One process. The caller kills it when it is not ready for another file."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - narrows the type: both are pipes
        assert process.stdout is not None  # noqa: S101 - narrows the type as above
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._reading = asyncio.Lock()
        self.files = 0
        self.is_ready = False
        """True while it can take a file."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    @classmethod
    async def launch(cls) -> _Process:
        """Start a process; its libraries are loaded when `load` returns. Raises `ProviderUnavailable`."""
        try:
            return cls(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "antiphon.providers.decoding.process",
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                    env={**child_environment(), **_SMALL}, start_new_session=True, limit=_PIECE_BYTES,
                )
            )  # fmt: skip
        except OSError as error:
            raise ProviderUnavailable(f"a decoder cannot be started: {error.strerror}") from error

    async def load(self) -> None:
        """Wait until the process is ready. Raises `ProviderUnavailable`."""
        try:
            async with asyncio.timeout(_LOADING_S):
                self.is_ready = isinstance(await self._reply(), Ready)
        except (EOFError, TimeoutError, _Broken) as error:
            raise ProviderUnavailable("a decoder process did not become ready") from error

    async def decode(self, file: IO[bytes], rate_hz: int, limits: DecodeLimits) -> AsyncGenerator[bytes]:
        """Send a file and yield its samples. Raises the error that the process reports, and `_Killed`."""
        self.files += 1
        self.is_ready = False
        until_s = asyncio.get_running_loop().time() + limits.max_work_s + _GRACE_S
        left_bytes = 2 * int((limits.max_duration_s + _SPARE_S) * rate_hz)
        try:
            async with asyncio.timeout_at(until_s):
                await self._hand_over(file, rate_hz, limits)
            while True:
                async with asyncio.timeout_at(until_s):
                    reply = await self._reply()
                if not isinstance(reply, Samples):
                    break
                left_bytes = _less(left_bytes, reply.pcm)
                yield reply.pcm
        except TimeoutError as error:
            raise invalid_audio(f"the file cannot be decoded within {limits.max_work_s:g} s") from error
        except (EOFError, ConnectionError, _Broken) as error:
            raise await self._fault(error) from error
        self.is_ready = isinstance(reply, FileDecoded | FileRefused)
        if isinstance(reply, FileRefused):
            raise reply.error()

    async def kill(self) -> int:
        """Kill the process and return its exit code."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._input.close()
        async with self._reading:
            while await self._output.read(_PIECE_BYTES):  # asyncio also waits for its pipes, even full ones
                pass
        return await self._process.wait()

    async def _fault(self, error: Exception) -> AntiphonError:
        """Return the error for the file of a process that failed in mid-file."""
        exit_code = await self.kill() if isinstance(error, _Broken) else await self._exit_code()
        _log.warning("decoder failed in mid-file", exit_code=exit_code, error=str(error))
        if exit_code in _KILLED and not isinstance(error, _Broken):
            return _Killed("The decoder was killed; try again soon.")
        return invalid_audio("the file cannot be decoded: the decoder crashed on it")

    async def _exit_code(self) -> int | None:
        """Return the exit code of a process that closed its output; None if it does not exit."""
        self._input.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                return await self._process.wait()
        return None

    async def _hand_over(self, file: IO[bytes], rate_hz: int, limits: DecodeLimits) -> None:
        begin = file.tell()
        left = file.seek(0, os.SEEK_END) - begin
        file.seek(begin)
        self._input.write(frame(Decode(left, rate_hz, limits.max_duration_s, limits.max_work_s)))
        if left <= _PIECE_BYTES:  # a thread would take longer than the decoder
            self._input.write(file.read(left))
        else:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                self._input.write(piece)
                await self._input.drain()
        await self._input.drain()

    async def _reply(self) -> Reply:
        """Return the next reply. Raises `EOFError` when the process is gone, `_Broken` for an invalid reply."""
        async with self._reading:
            (size,) = LENGTH.unpack(await self._output.readexactly(LENGTH.size))
            if size > MAX_FRAME_BYTES:
                raise _Broken(f"a frame of {size} bytes")
            body = await self._output.readexactly(size)
        try:
            return _replies.decode(body)
        except msgspec.MsgspecError as error:
            raise _Broken(str(error)) from error


def _less(left_bytes: int, piece: bytes) -> int:
    """Return how many bytes may follow a piece. Raises `_Broken` when the piece exceeds the rest."""
    if len(piece) > left_bytes:
        raise _Broken("more samples than the duration limit allows")
    return left_bytes - len(piece)
