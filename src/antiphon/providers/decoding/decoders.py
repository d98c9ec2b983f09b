"""Decoders in processes of their own: a file that breaks one, or keeps it busy, costs nobody else anything."""

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
"""Processes, and files decoded at a time."""
FILES = 200
"""After so many a process is replaced: what libraries leak does not add up."""
_WAIT_S = 30.0
_MOST_WAITING = 32
"""Files of one caller."""
_WARM_AFTER_S = 5.0
"""The server answers first; a file that comes before starts a process of its own accord."""
_LOADING_S = 30.0
_GRACE_S = 5.0
"""Beyond the work of a file: to hand it over, and for the process to say itself that it takes too long."""
_ENDING_S = 5.0
"""How long a process may take to end once its output has ended."""
_KILLED = frozenset({-1, -2, -9, -15})
"""Exit codes of processes that were hung up, interrupted, killed or terminated: by others, not by a file."""
_SPARE_S = 1.0
"""Sound beyond the longest that is asked for: resampling may round up."""
_PIECE_BYTES = 2**20
_SMALL = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One thread and one heap: what is bounded then is the work, not what libraries put by for more cores."""

_log = structlog.get_logger(__name__)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class Decoders:
    """A `Decoder`: a few processes, kept warm, each replaced after a fault and after `FILES` files."""

    def __init__(self, *, warm_after_s: float = _WARM_AFTER_S, wait_s: float = _WAIT_S) -> None:
        self._warm_after_s = warm_after_s
        self._places = FairSlots("decoder", WARM, wait_s=wait_s, most_waiting=_MOST_WAITING)
        self._all: set[_Process] = set()
        """Those that start included."""
        self._idle: list[_Process] = []
        self._starting = asyncio.Lock()
        """One starts at a time; a file that comes meanwhile takes that one. So there are never more than `WARM`."""
        self._missing = asyncio.Event()
        self._missing.set()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that wait for a file."""
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
            except ProviderUnavailable as error:  # the next file tries again, and says so
                _log.warning("decoder does not start", error=error.message)

    async def close(self) -> None:
        """End all processes; no further one starts."""
        self._is_closed = True
        self._idle.clear()
        for process in list(self._all):
            await self._end(process)

    async def decode(
        self, file: IO[bytes], rate_hz: int, *, caller: str, limits: DecodeLimits = ANY_FILE
    ) -> AsyncGenerator[bytes]:
        """Yield pieces of samples; see `Decoder`. Where a process is killed from outside another one begins anew."""
        async with self._places.place(caller):
            begin, is_heard = file.tell(), False
            try:
                async with self._process() as process:
                    async for piece in process.decode(file, rate_hz, limits):
                        is_heard = True
                        yield piece
            except _Killed:
                if is_heard:
                    raise
            else:
                return
            file.seek(begin)
            async with self._process() as process:
                async for piece in process.decode(file, rate_hz, limits):
                    yield piece

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[_Process]:
        """Lend a process; one in mid-file when the context ends is killed."""
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
        """Return a process that waits for a file. Raises `ProviderUnavailable`."""
        process = self._waiting_one()
        if process is None:
            self._missing.set()
            async with self._starting:
                process = self._waiting_one() or await self._start()
        return process

    def _waiting_one(self) -> _Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._all.discard(process)
            self._missing.set()
        return None

    async def _add(self) -> bool:
        """Start a process that waits; False if there are enough."""
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
    """The process has sent what no decoder sends."""


class _Process:
    """One process. To be killed when it is not ready for another file."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - narrows the type: both are pipes
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._reading = asyncio.Lock()
        self.files = 0
        self.is_ready = False
        """Waits for a file."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    @classmethod
    async def launch(cls) -> _Process:
        """Return a process whose libraries are not loaded yet. Raises `ProviderUnavailable`."""
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
        """Wait until it is ready. Raises `ProviderUnavailable`."""
        try:
            async with asyncio.timeout(_LOADING_S):
                self.is_ready = isinstance(await self._reply(), Ready)
        except (EOFError, TimeoutError, _Broken) as error:
            raise ProviderUnavailable("a decoder was started and is not ready") from error

    async def decode(self, file: IO[bytes], rate_hz: int, limits: DecodeLimits) -> AsyncGenerator[bytes]:
        """Hand a file over and yield its samples. Raises what the process says of it, and `_Killed`."""
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
        """End the process, and return its exit code."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._input.close()
        async with self._reading:
            while await self._output.read(_PIECE_BYTES):  # asyncio waits for the end of pipes too, also of full ones
                pass
        return await self._process.wait()

    async def _fault(self, error: Exception) -> AntiphonError:
        """Return what a process that fails in mid-file means for the file."""
        exit_code = await self.kill() if isinstance(error, _Broken) else await self._exit_code()
        _log.warning("decoder broken in mid-file", exit_code=exit_code, error=str(error))
        if exit_code in _KILLED and not isinstance(error, _Broken):
            return _Killed("The decoder was killed; try again soon.")
        return invalid_audio("the file cannot be decoded: the decoder has failed on it")

    async def _exit_code(self) -> int | None:
        """Return the exit code of a process whose output has ended; None for one that does not end."""
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
        if left <= _PIECE_BYTES:  # a thread for it would take longer than the decoder
            self._input.write(file.read(left))
        else:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                self._input.write(piece)
                await self._input.drain()
        await self._input.drain()

    async def _reply(self) -> Reply:
        """Return what it says next. Raises `EOFError` when it is gone, `_Broken` for what is no reply."""
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
    """Return how much sound may come behind a piece. Raises `_Broken` when it is too long itself."""
    if len(piece) > left_bytes:
        raise _Broken("more sound than was asked for")
    return left_bytes - len(piece)
