"""The stub VAD: loud is speech."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.engine import EngineContext
from antiphon.providers.stub.vad import Threshold, create


@pytest.mark.parametrize(
    ("sample", "score"), [(0, 0.0), (327, 0.0), (-327, 0.0), (328, 1.0), (-328, 1.0), (32_767, 1.0)]
)
def test_a_window_above_a_hundredth_of_full_scale_is_speech(sample: int, score: float) -> None:
    assert Threshold().score(np.full((2, WINDOW_SAMPLES), sample, np.int16)) == [score, score]


async def test_each_window_counts_alone() -> None:
    scores: list[float] = []
    loud, quiet = b"\x00\x10" * WINDOW_SAMPLES, bytes(2 * WINDOW_SAMPLES)
    engine = create(EngineContext(Path()))
    engine.open(scores.extend).feed(loud + quiet + loud)
    await asyncio.sleep(0)
    assert scores == [1.0, 0.0, 1.0]
    assert engine.capabilities.name == "stub"
