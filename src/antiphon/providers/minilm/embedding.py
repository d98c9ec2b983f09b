"""Embedding by MiniLM (all-MiniLM-L6-v2, English), in a thread of its own, loaded on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.embedding import DIMENSIONS
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.hosting.onnx_errors import onnx_errors
from antiphon.providers.install_hints import install_hint
from antiphon.providers.weights.files import Weights

if TYPE_CHECKING:
    from antiphon.providers.minilm.model import MiniLmModel

_NAME = "minilm"
_log = structlog.get_logger(__name__)

Floats = NDArray[np.float32]


class MiniLm:
    """Embeds one text at a time; others wait."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._weights = Weights(context.data_dir, offline=context.offline)
        self._thread: ThreadPoolExecutor | None = None
        self._model: MiniLmModel | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(_NAME, models=(_NAME,), languages=("en",), context_tokens=256)

    async def start(self) -> None:
        """Open the thread. Missing weights are a warning only: a server that never embeds does not need them."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=_NAME)
        try:
            self._weights.folder(_NAME)
        except WeightsMissing as exc:
            _log.warning("weights missing", engine=_NAME, reason=exc.message)

    async def close(self) -> None:
        """Free the network, after the text in progress."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown, cancel_futures=True)
        self._model = None

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return one vector for each text. Raises `WeightsMissing`, `ProviderUnavailable` and `ProviderTimeout`."""
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        for place, text in enumerate(texts):
            vectors[place] = await self._vector(text)
        return vectors

    async def _vector(self, text: str) -> Floats:
        if self._thread is None:
            raise ProviderUnavailable(f"{_NAME} is not started")
        async with deadline(_NAME, self._context.timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_thread, text)

    def _in_thread(self, text: str) -> Floats:
        if self._model is None:
            self._model = self._load()
        with onnx_errors(_NAME):
            return self._model.vector(text)

    def _load(self) -> MiniLmModel:
        folder = self._weights.folder(_NAME)
        try:
            # here, because a server without the extra `local` must start, and one without memory stay small
            from antiphon.providers.minilm.model import MiniLmModel
        except ImportError as exc:
            raise WeightsMissing(install_hint(_NAME, exc), code="engine_not_installed") from exc
        with onnx_errors(_NAME):
            return MiniLmModel(folder, self._context.threads)


def create(context: EngineContext) -> MiniLm:
    """Make the engine; its weights are ``minilm``."""
    return MiniLm(context)
