"""Every `SpeechToText` that can run here, each behind a started engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from antiphon.app.settings import load_settings
from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.providers.registry import load
from tests.fakes.openai_stt_server import TEXT, OpenAiSttServer, Stall

AUDIO = Path(__file__).parent.parent / "audio"


@dataclass(frozen=True)
class Recogniser:
    """How to get one engine, and its text for the recording `what_joy`."""

    open: Callable[..., AbstractAsyncContextManager[SpeechToText]]
    text: str
    weights: str = ""
    """Weights that it cannot run without."""


def recording(name: str, rate_hz: int = 16_000) -> Pcm:
    """Return a recording of ``tests/audio`` at a rate of your choice."""
    wav = read_wav((AUDIO / name).read_bytes())
    return Pcm(resample(wav.data, wav.rate_hz, rate_hz), rate_hz)


def what_joy(rate_hz: int = 16_000) -> Pcm:
    """Return 1.8 s of speech."""
    return recording("spk2_snt2.wav", rate_hz)


async def transcribed(
    engine: SpeechToText, audio: Pcm, options: TranscribeOptions | None = None
) -> tuple[list[Segment], Transcript]:
    """Return the segments in the order they came, and the transcript, which must come last and once."""
    events = [event async for event in engine.transcribe(audio, options or TranscribeOptions(language="en"))]
    *segments, transcript = events
    assert isinstance(transcript, Transcript)
    assert all(isinstance(segment, Segment) for segment in segments)
    return [segment for segment in segments if isinstance(segment, Segment)], transcript


def context(*, timeout_s: float = 60.0, **settings: Any) -> EngineContext:
    """Return where engines find the weights of this machine."""
    return EngineContext(load_settings().data_dir, offline=True, timeout_s=timeout_s, settings=settings)


@cache
def _loaded_whisper() -> SpeechToText:
    """Loading takes seconds and the engine belongs to no loop: all tests share one."""
    engine = load("stt", ["whisper"], context(stt_workers=2))
    asyncio.run(engine.start())
    return engine


@asynccontextmanager
async def _shared_whisper() -> AsyncIterator[SpeechToText]:
    yield await asyncio.to_thread(_loaded_whisper)


@asynccontextmanager
async def _slow_whisper() -> AsyncIterator[SpeechToText]:
    engine = load("stt", ["whisper"], context(timeout_s=0.02))
    await engine.start()
    yield engine
    await engine.close()


@asynccontextmanager
async def _stub(**changes: Any) -> AsyncIterator[SpeechToText]:
    engine = load("stt", ["stub"], context(**changes))
    await engine.start()
    yield engine
    await engine.close()


@asynccontextmanager
async def _openai(*script: Any, **changes: Any) -> AsyncIterator[SpeechToText]:
    async with OpenAiSttServer(script=list(script)).running() as server:
        engine = load("stt", ["openai"], context(openai_base_url=server.base_url, **changes))
        await engine.start()
        yield engine
        await engine.close()


RECOGNISERS = {
    "stub": Recogniser(_stub, "hello from the stub"),
    "openai": Recogniser(_openai, TEXT),
    "whisper": Recogniser(_shared_whisper, "what joy there is in living", "whisper-base"),
}

TOO_SLOW: dict[str, Callable[[], AbstractAsyncContextManager[SpeechToText]]] = {
    "stub": lambda: _stub(timeout_s=0.02, stub_stt_ms=600_000),
    "openai": lambda: _openai(Stall(), timeout_s=0.2),
    "whisper": _slow_whisper,
}
"""Each engine where it cannot make its deadline."""

BUSY: dict[str, Callable[[], AbstractAsyncContextManager[SpeechToText]]] = {
    "stub": lambda: _stub(stub_stt_ms=600_000),
    "openai": lambda: _openai(Stall()),
    "whisper": _shared_whisper,
}
"""Each engine where it has not answered after some milliseconds."""
