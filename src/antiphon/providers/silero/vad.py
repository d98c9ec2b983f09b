"""Voice activity by Silero: one call for the windows of all streams, in one thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import structlog
from numpy.typing import NDArray

from antiphon.audio.windows import WINDOW_SAMPLES, WindowCutter, mean_squares
from antiphon.entities.capabilities import Capabilities
from antiphon.errors import ProviderUnavailable
from antiphon.observe.failures import error_fields
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.onnx_errors import onnx_errors
from antiphon.providers.silero.model import Feed, SileroModel, StreamState
from antiphon.providers.weights.files import Weights

_SILENCE_POWER = 10 ** (-55 / 10)
"""-55 dBFS: quieter windows are silence, unless they follow speech."""
_AWAKE_PROBABILITY = 0.1
_AWAKE_WINDOWS = 10
"""Quiet windows are still scored for this long (320 ms) after the last speech."""
_MOST_WINDOWS = 8
"""Windows of one stream per batch, so that a stream that sends seconds at once does not delay the others."""
_LINGER_S_PER_STREAM = 50e-6
_LINGER_MOST_S = 0.004
"""Least time between batches, so that many streams share a call; with few streams it is negligible."""

_log = structlog.get_logger(__name__)


class Silero:
    """Scores windows in batches: at most one is in the thread; windows that arrive meanwhile share the next."""

    def __init__(self, context: EngineContext) -> None:
        self._weights = Weights(context.data_dir, offline=context.offline)
        self._threads = context.threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="silero")
        self._model: SileroModel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._streams = 0
        self._waiting: list[SileroStream] = []
        self._tick_is_due = False
        self._is_scoring = False
        self._last_batch_s = 0.0
        self._on_failure = context.on_failure
        self._is_failing = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("silero", models=("silero-vad",), streams=True)

    async def start(self) -> None:
        """Load the network and score one window, so that the first real one is fast."""
        path = self._weights.folder("silero-vad") / "silero_vad.onnx"
        self._loop = asyncio.get_running_loop()
        warm_up = [Feed(np.zeros((1, WINDOW_SAMPLES), np.int16), StreamState())]
        with onnx_errors("silero"):
            model = await self._loop.run_in_executor(self._thread, SileroModel, path, self._threads)
            await self._loop.run_in_executor(self._thread, model.score, warm_up)
        self._model = model

    async def close(self) -> None:
        """Stop; windows that are not scored yet are dropped."""
        self._model = None
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> SileroStream:
        """Open a stream. Raises `ProviderUnavailable` before `start` and after `close`."""
        if self._model is None:
            raise ProviderUnavailable("silero is not started")
        self._streams += 1
        return SileroStream(self, on_scores, asyncio.get_running_loop())

    def wake(self, stream: SileroStream) -> None:
        """Process this stream's windows in the loop's next turn."""
        self._waiting.append(stream)
        self._tick_after(0.0)

    def forget(self) -> None:
        """Count one open stream less."""
        self._streams -= 1

    def _tick_after(self, delay_s: float) -> None:
        if self._tick_is_due or self._loop is None:
            return
        self._tick_is_due = True
        if delay_s > 0:
            self._loop.call_later(delay_s, self._tick)
        else:
            self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._tick_is_due = False
        self._waiting = [stream for stream in self._waiting if stream.pass_silence()]
        if not self._waiting or self._is_scoring or self._model is None or self._loop is None:
            return
        linger_s = min(_LINGER_MOST_S, _LINGER_S_PER_STREAM * self._streams)
        early_s = self._last_batch_s + linger_s - self._loop.time()
        if early_s > 0:
            self._tick_after(early_s)
        else:
            self._launch(self._model, self._loop)

    def _launch(self, model: SileroModel, loop: asyncio.AbstractEventLoop) -> None:
        waiting, self._waiting = self._waiting, []
        batch = [(stream, feed) for stream in waiting if (feed := stream.take())]
        if not batch:
            return
        self._is_scoring = True
        self._last_batch_s = loop.time()
        done = self._thread.submit(model.score, [feed for _, feed in batch])

        def tell_loop(done: Future[list[list[float]]]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._finish, batch, done)

        done.add_done_callback(tell_loop)

    def _finish(self, batch: list[tuple[SileroStream, Feed]], done: Future[list[list[float]]]) -> None:
        self._is_scoring = False
        if done.cancelled():
            return
        failure = done.exception()
        self._note(failure)
        results = [[0.0] * len(feed.windows) for _, feed in batch] if failure else done.result()
        for (stream, feed), scores in zip(batch, results, strict=True):
            stream.finish(feed, scores)
        if self._waiting:
            self._tick_after(0.0)

    def _note(self, failure: BaseException | None) -> None:
        """Count each failed call (its windows score as silence); log when failures begin and end."""
        if failure is not None:
            self._on_failure()
            if not self._is_failing:
                _log.error("voice detection failed", engine="silero", **error_fields(failure))
        elif self._is_failing:
            _log.info("voice detection recovered", engine="silero")
        self._is_failing = failure is not None


class SileroStream:
    """One stream: its waiting windows and the network's memory of it."""

    def __init__(
        self, engine: Silero, on_scores: Callable[[Sequence[float]], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._engine = engine
        self._on_scores = on_scores
        self._loop = loop
        self._cutter = WindowCutter()
        self._windows: deque[tuple[NDArray[np.int16], bool]] = deque()
        """Waiting windows, and whether each is quiet."""
        self._memory = StreamState()
        self._awake = 0
        self._is_waiting = False
        self._is_scoring = False
        self._closed = False

    def feed(self, samples: bytes) -> None:
        """Take any number of samples."""
        windows = self._cutter.push(samples)
        if self._closed or not len(windows):
            return
        for window, power in zip(windows, mean_squares(windows), strict=True):
            self._windows.append((window, power < _SILENCE_POWER))
        self._wake()

    def reset(self) -> None:
        """Drop waiting windows and the memory; scores of windows in the current batch are not reported."""
        self._cutter.clear()
        self._windows.clear()
        self._memory = StreamState()
        self._awake = 0

    def close(self) -> None:
        """Stop reporting scores."""
        if not self._closed:
            self._closed = True
            self._engine.forget()
            self.reset()

    def pass_silence(self) -> bool:
        """Report the quiet windows at the front; return True when windows remain that need the network."""
        passed: list[float] = []
        while self._windows and self._windows[0][1] and not self._awake:
            window, _ = self._windows.popleft()
            self._memory.skip(window)
            passed.append(0.0)
        needs_network = self._is_waiting = bool(self._windows)
        if passed:
            self._report_soon(passed)
        return needs_network

    def take(self) -> Feed | None:
        """Return the next windows for a batch; None when a reset left nothing to score."""
        self._is_waiting = False
        taken: list[NDArray[np.int16]] = []
        # a quiet window after the first ones may prove to be silence, which needs no score
        while self._windows and len(taken) < _MOST_WINDOWS and not (self._windows[0][1] and len(taken) >= self._awake):
            taken.append(self._windows.popleft()[0])
        if not taken:
            if self._windows:  # a callback has fed silence meanwhile
                self._wake()
            return None
        self._is_scoring = True
        return Feed(np.stack(taken), self._memory)

    def finish(self, feed: Feed, scores: list[float]) -> None:
        """Report the scores of a batch, unless the stream was reset or closed meanwhile."""
        self._is_scoring = False
        if feed.memory is self._memory and not self._closed:
            for score in scores:
                self._awake = _AWAKE_WINDOWS if score >= _AWAKE_PROBABILITY else max(0, self._awake - 1)
            self._report_soon(scores)
        if self._windows:
            self._wake()

    def _report_soon(self, scores: list[float]) -> None:
        """Call back in a turn of its own: a callback that raises must not affect the engine or other streams."""
        self._loop.call_soon(self._report, self._memory, scores)

    def _report(self, memory: StreamState, scores: list[float]) -> None:
        if memory is self._memory and not self._closed:
            self._on_scores(scores)

    def _wake(self) -> None:
        if not self._is_waiting and not self._is_scoring:
            self._is_waiting = True
            self._engine.wake(self)


def create(context: EngineContext) -> Silero:
    """Make the engine; its weights are ``silero-vad``."""
    return Silero(context)
