"""TTS over a child process."""

from __future__ import annotations

import pytest

from antiphon.errors import ProviderUnavailable
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.child_voice import ChildVoice
from tests.unit.providers.hosting.stage import ENDLESS


async def test_sentences_come_in_order_at_the_rate_of_the_engine(child: ChildProcess) -> None:
    chunks = [chunk async for chunk in ChildVoice(child).synthesize("Abc. … Def!", SpeakOptions())]
    assert [(chunk.text, chunk.pcm.data, chunk.pcm.rate_hz) for chunk in chunks] == [
        ("Abc.", b"Abc.", 8_000),
        ("Def!", b"Def!", 8_000),
    ]


async def test_a_speech_that_is_closed_early_leaves_the_process_to_the_next(child: ChildProcess) -> None:
    voice = ChildVoice(child)
    speech = voice.synthesize(ENDLESS, SpeakOptions())
    assert (await anext(speech)).text == ENDLESS
    await speech.aclose()
    assert [chunk.text async for chunk in voice.synthesize("Next.", SpeakOptions())] == ["Next."]


async def test_closing_the_voice_ends_the_process(child: ChildProcess) -> None:
    voice = ChildVoice(child)
    await voice.start()
    await voice.close()
    await voice.close()
    with pytest.raises(ProviderUnavailable, match="scripted is closed"):
        await anext(voice.synthesize("Hello.", SpeakOptions()))
