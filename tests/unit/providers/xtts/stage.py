"""XTTS over a library with the real one's classes and signatures."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np

from antiphon.audio.wav import write_wav
from antiphon.entities.speech import SpeechChunk
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.xtts.tts import XttsTts, create
from tests.fakes.coqui_model import write_model


def engine(tmp_path: Path, **settings: Any) -> XttsTts:
    model = write_model(tmp_path / "model")
    return create(EngineContext(tmp_path, offline=True, timeout_s=20.0, settings={"xtts_path": model, **settings}))


def sample(path: Path, *, seconds: float = 4.0, rate_hz: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_wav(np.zeros(round(seconds * rate_hz), "<i2").tobytes(), rate_hz))
    return path


def asked(log: Path) -> list[dict[str, Any]]:
    """What was asked for behind the warm-up."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()][1:]


async def speak(engine: XttsTts, text: str, **options: Any) -> list[SpeechChunk]:
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


def seconds(chunks: list[SpeechChunk]) -> float:
    return sum(chunk.pcm.duration_s for chunk in chunks)
