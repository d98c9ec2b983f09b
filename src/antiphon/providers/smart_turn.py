"""End of turn by Smart Turn, from the audio of the last 8 s, in a thread of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from antiphon.audio.log_mel import RATE_HZ, log_mel
from antiphon.audio.resample import resample
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.hosting.onnx_errors import onnx_errors
from antiphon.providers.weights.files import Weights

_WINDOW_S = 8
_ERRORS_ONLY = 3
_LANGUAGES = tuple("ar bn da de en es fi fr hi id it ja ko mr nl no pl pt ru tr uk vi zh".split())  # noqa: SIM905 - a list of 23 strings is harder to read

Floats = NDArray[np.float32]


class SmartTurn:
    """Scores one clip at a time; others wait."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._weights = Weights(context.data_dir, offline=context.offline)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smart-turn")
        self._session: ort.InferenceSession | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("smart-turn", models=("smart-turn",), languages=_LANGUAGES)

    async def start(self) -> None:
        """Load the network and score silence, so that the first clip is fast."""
        path = self._weights.folder("smart-turn") / "smart-turn.onnx"
        loop = asyncio.get_running_loop()
        with onnx_errors("smart-turn"):
            session = await loop.run_in_executor(self._thread, _load, path, self._context.threads)
            await loop.run_in_executor(self._thread, _score, session, Pcm(b"", RATE_HZ))
        self._session = session

    async def close(self) -> None:
        """Free the network, after the clip in progress."""
        self._session = None
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def score(self, audio: Pcm) -> float:
        """Return the probability that the turn is over. Raises `ProviderUnavailable` and `ProviderTimeout`."""
        if self._session is None:
            raise ProviderUnavailable("smart-turn is not started")
        loop = asyncio.get_running_loop()
        with onnx_errors("smart-turn"):
            async with deadline("smart-turn", self._context.timeout_s):
                return await loop.run_in_executor(self._thread, _score, self._session, audio)


def _load(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _score(session: ort.InferenceSession, audio: Pcm) -> float:
    features = log_mel(_normalise(_last_seconds(audio)))
    (probability,) = cast("list[Floats]", session.run(None, {"input_features": features[None]}))
    return min(max(float(probability[0, 0]), 0.0), 1.0)


def _last_seconds(audio: Pcm) -> Floats:
    """Return the last 8 s at 16 kHz, with zeros before a shorter clip."""
    newest = audio.data[: len(audio.data) & ~1][-(_WINDOW_S + 1) * audio.rate_hz * 2 :]
    data = newest if audio.rate_hz == RATE_HZ else resample(newest, audio.rate_hz, RATE_HZ)
    samples = np.frombuffer(data, "<i2")[-_WINDOW_S * RATE_HZ :].astype(np.float32)
    return np.pad(samples, (_WINDOW_S * RATE_HZ - len(samples), 0))


def _normalise(samples: Floats) -> Floats:
    """Return samples of mean 0 and variance 1, as the network was trained; silence stays silence."""
    return (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)


def create(context: EngineContext) -> SmartTurn:
    """Make the engine; its weights are ``smart-turn``."""
    return SmartTurn(context)
