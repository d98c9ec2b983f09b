"""Every `TextToSpeech` that can run here, each behind a started engine."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from antiphon.app.settings import load_settings
from antiphon.entities.speech import SpeechChunk
from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import SpeechToText
from antiphon.ports.tts import SpeakOptions, TextToSpeech
from antiphon.providers.registry import load
from antiphon.providers.xtts.tts import create as create_xtts
from tests.fakes.coqui_model import PACKAGES, PYTHONPATH, write_model
from tests.fakes.elevenlabs_server import KEY, ElevenLabsServer
from tests.fakes.openai_tts_server import OpenAiTtsServer


@dataclass(frozen=True)
class Adapter:
    """How to get one engine, and what is peculiar about it."""

    open: Callable[..., AbstractAsyncContextManager[TextToSpeech]]
    is_live: bool = True
    """False for one that takes longer to speak than to listen to: it is given less to do."""
    speaks_kana: bool = True
    """False for a voice without a sound for Japanese."""


def local(name: str, *, library: str | None = None, is_optional: bool = False) -> Callable[..., Any]:
    """Return an opener of an engine of this machine."""

    @asynccontextmanager
    async def open_engine(**settings: Any) -> AsyncIterator[TextToSpeech]:
        must = not is_optional and os.environ.get("ANTIPHON_TEST_REQUIRE_ENGINES") == "1"
        if library and find_spec(library) is None:
            reason = f"{library} is not installed"
            pytest.fail(reason) if must else pytest.skip(reason)
        try:
            engine = load("tts", [name], context(**settings))
        except WeightsMissing as exc:
            pytest.fail(exc.message) if must else pytest.skip(exc.message)
        async with started(engine):
            yield engine

    return open_engine


@asynccontextmanager
async def openai_over_http(**settings: Any) -> AsyncIterator[TextToSpeech]:
    """The ``openai`` engine against a service on the loopback address."""
    async with OpenAiTtsServer().running() as server:
        engine = load("tts", ["openai"], context(openai_base_url=server.base_url, **settings))
        async with started(engine):
            yield engine


@asynccontextmanager
async def elevenlabs_over_http(**settings: Any) -> AsyncIterator[TextToSpeech]:
    """The ``elevenlabs`` engine against a service on the loopback address."""
    pytest.importorskip("elevenlabs")
    from antiphon.providers.elevenlabs.tts import create

    async with ElevenLabsServer().running() as server:
        engine = create(context(elevenlabs_base_url=server.base_url, elevenlabs_api_key=KEY, **settings))
        async with started(engine):
            yield engine


@asynccontextmanager
async def xtts_with_a_tone(**settings: Any) -> AsyncIterator[TextToSpeech]:
    """The ``xtts`` engine and its process over a library that makes a tone of every word."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PACKAGES)
        patch.setenv("PYTHONPATH", PYTHONPATH)
        engine = create_xtts(context(xtts_path=write_model(Path(folder)), **settings))
        async with started(engine):
            yield engine


@asynccontextmanager
async def started(engine: TextToSpeech | SpeechToText) -> AsyncIterator[None]:
    await engine.start()
    try:
        yield
    finally:
        await engine.close()


def context(*, timeout_s: float = 60.0, data_dir: Path | None = None, **settings: Any) -> EngineContext:
    return EngineContext(data_dir or load_settings().data_dir, offline=True, timeout_s=timeout_s, settings=settings)


ADAPTERS = {
    "stub": Adapter(local("stub")),
    "openai": Adapter(openai_over_http),
    "elevenlabs": Adapter(elevenlabs_over_http),
    "xtts": Adapter(xtts_with_a_tone),
    "hibari": Adapter(local("hibari", library="hibari"), speaks_kana=False),
    "espeak": Adapter(local("espeak", library="espeakng_loader")),
    "piper": Adapter(local("piper", library="piper", is_optional=True)),
    "kokoro": Adapter(local("kokoro", library="onnxruntime", is_optional=True), is_live=False),
}

LOCAL = [pytest.param(name, marks=pytest.mark.engines) for name in ("hibari", "espeak", "piper", "kokoro")]
PARAMETERS = ["stub", "openai", "elevenlabs", "xtts", *LOCAL]


@dataclass
class Speech:
    """Everything one call has given."""

    chunks: list[SpeechChunk] = field(default_factory=list)
    first_s: float = 0.0
    """Seconds from the call to the first chunk."""

    @property
    def data(self) -> bytes:
        return b"".join(chunk.pcm.data for chunk in self.chunks)

    @property
    def seconds(self) -> float:
        return sum(chunk.pcm.duration_s for chunk in self.chunks)

    @property
    def sentences(self) -> list[str]:
        return [chunk.text for chunk in self.chunks if chunk.text]


async def speak(engine: TextToSpeech, text: str, *, chunks: int | None = None, **options: Any) -> Speech:
    """Collect what the engine gives, or its first ``chunks`` chunks."""
    speech, began = Speech(), time.perf_counter()
    async with aclosing(engine.synthesize(text, SpeakOptions(**options))) as stream:
        async for chunk in stream:
            speech.first_s = speech.first_s or time.perf_counter() - began
            speech.chunks.append(chunk)
            if len(speech.chunks) == chunks:
                break
    return speech
