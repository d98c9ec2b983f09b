"""Silero's network, for the windows of many streams at once; blocks, so run it in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from antiphon.audio.windows import FULL_SCALE, WINDOW_SAMPLES, Windows
from antiphon.ports.vad import RATE_HZ

_CONTEXT_SAMPLES = 64
"""The end of the previous window, which is part of the input."""
_STATE_SIZE = 128
_ERRORS_ONLY = 3

Floats = NDArray[np.float32]


def _no_context() -> Floats:
    return np.zeros(_CONTEXT_SAMPLES, np.float32)


def _no_state() -> Floats:
    return np.zeros((2, _STATE_SIZE), np.float32)


@dataclass(slots=True)
class StreamState:
    """The network's memory of one stream."""

    context: Floats = field(default_factory=_no_context)
    state: Floats = field(default_factory=_no_state)

    def skip(self, window: NDArray[np.int16]) -> None:
        """Update the context for a window that is not scored."""
        self.context = window[-_CONTEXT_SAMPLES:].astype(np.float32) / FULL_SCALE


@dataclass(frozen=True, slots=True)
class Feed:
    """Consecutive windows of one stream, at least one."""

    windows: Windows
    memory: StreamState


class SileroModel:
    """The network, loaded."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY  # it warns of unused initialisers in its own export
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._rate = np.array(RATE_HZ, np.int64)

    def score(self, feeds: Sequence[Feed]) -> list[list[float]]:
        """Return the probabilities of each feed's windows and update the memories.

        The n-th windows of all streams share one call.
        """
        scores: list[list[float]] = [[] for _ in feeds]
        for number in range(max(len(feed.windows) for feed in feeds)):
            places = [place for place, feed in enumerate(feeds) if len(feed.windows) > number]
            windows = np.stack([feeds[place].windows[number] for place in places])
            probabilities = self._run(windows, [feeds[place].memory for place in places])
            for place, probability in zip(places, probabilities, strict=True):
                scores[place].append(probability)
        return scores

    def _run(self, windows: Windows, memories: list[StreamState]) -> list[float]:
        inputs = np.empty((len(windows), _CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        inputs[:, :_CONTEXT_SAMPLES] = [memory.context for memory in memories]
        np.divide(windows, FULL_SCALE, out=inputs[:, _CONTEXT_SAMPLES:], casting="unsafe")
        state = np.stack([memory.state for memory in memories], axis=1)
        outputs = self._session.run(None, {"input": inputs, "state": state, "sr": self._rate})
        probabilities, new_state = cast("list[Floats]", outputs)
        for place, memory in enumerate(memories):
            memory.context = inputs[place, -_CONTEXT_SAMPLES:]
            memory.state = new_state[:, place]
        return probabilities[:, 0].tolist()
