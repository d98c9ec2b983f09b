"""TTS in threads of this process: sentences, loading, and errors."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.thread_voice import ThreadVoice


class Parrot(ThreadVoice[str]):
    """Speaks every sentence as its bytes; its model is a prefix."""

    engine = "parrot"
    error: BaseException | None = None
    """Raised where the model is loaded, until it is taken away."""

    def __init__(self, *, timeout_s: float = 30.0) -> None:
        super().__init__(EngineContext(Path(), timeout_s=timeout_s))
        self.loaded = 0
        self.spoken: list[str] = []

    def _load(self) -> str:
        if self.error:
            raise self.error
        self.loaded += 1
        return ">"

    async def _say(self, model: str, words: str, options: SpeakOptions) -> bytes:
        if words == "Wait.":
            await asyncio.Event().wait()
        return await self._in_thread(self._render, model, words, speed=options.speed)

    def _render(self, model: str, words: str, *, speed: float) -> bytes:
        if words == "Fail.":
            import onnxruntime

            onnxruntime.InferenceSession(b"no model", providers=["CPUExecutionProvider"])
        self.spoken.append(words)
        return b"" if words == "Hm." else f"{model}{words}{speed}".encode()


async def said(voice: Parrot, text: str, speed: float = 1.0) -> list[tuple[str, bytes, int]]:
    chunks = [chunk async for chunk in voice.synthesize(text, SpeakOptions(speed=speed))]
    return [(chunk.text, chunk.pcm.data, chunk.pcm.rate_hz) for chunk in chunks]


async def test_each_sentence_is_a_chunk_with_its_text() -> None:
    assert await said(Parrot(), "One. Two!", 2.0) == [("One.", b">One.2.0", 24_000), ("Two!", b">Two!2.0", 24_000)]


async def test_sentences_without_words_and_without_sound_are_no_chunks() -> None:
    voice = Parrot()
    assert await said(voice, "… 👍") == []
    assert voice.spoken == []
    assert [text for text, _, _ in await said(voice, "Hm. One.")] == ["One."]
    assert voice.spoken == ["Hm.", "One."]


async def test_calls_that_come_together_load_the_model_once() -> None:
    voice = Parrot()
    await asyncio.gather(voice.start(), voice.start(), said(voice, "One."), said(voice, "Two."))
    assert voice.loaded == 1
    await voice.close()


async def test_a_missing_library_is_named_and_loading_is_tried_again() -> None:
    voice = Parrot()
    voice.error = ModuleNotFoundError("no", name="parrotlib")
    with pytest.raises(WeightsMissing, match="'parrotlib'") as missing:
        await voice.start()
    assert missing.value.code == "engine_not_installed"
    voice.error = None
    await voice.start()
    assert voice.loaded == 1


async def test_an_error_of_the_model_is_an_error_of_the_engine_and_the_next_sentence_is_spoken() -> None:
    voice = Parrot()
    with pytest.raises(ProviderUnavailable, match="the model of parrot failed"):
        await said(voice, "Fail.")
    assert await said(voice, "One.")


async def test_a_sentence_that_takes_too_long_times_out_and_gives_its_turn_back() -> None:
    voice = Parrot(timeout_s=0.05)
    await voice.start()
    with pytest.raises(ProviderTimeout, match="parrot"):
        await said(voice, "Wait.")
    with pytest.raises(ProviderTimeout, match="parrot"):
        await said(voice, "Wait.")


async def test_a_closed_voice_says_so() -> None:
    voice = Parrot()
    await voice.start()
    await voice.close()
    await voice.close()
    with pytest.raises(ProviderUnavailable, match="parrot is closed"):
        await said(voice, "One.")
