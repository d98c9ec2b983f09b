"""Text to speech to text: what is said is what is heard."""

from __future__ import annotations

import re
from contextlib import aclosing

import pytest

from antiphon.entities.speech import Pcm, Transcript
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.providers.registry import load
from antiphon.text.wer import WordErrors, total, word_errors
from tests.conformance.voices import ADAPTERS, context, speak, started

SENTENCES = [
    "Good morning, how can I help you today?",
    "The train to London leaves at half past seven from platform four.",
    "It will be cloudy in the morning, and sunny with a light wind in the afternoon.",
    "Your order of three books costs twenty five dollars and arrives on Monday.",
    "I am sorry, I did not understand the last question. Could you say it again, please?",
    "The quick brown fox jumps over the lazy dog near the river bank.",
]


@pytest.mark.parametrize(
    ("name", "speed", "limit"),
    [("hibari", 1.0, 0.15), ("hibari", 0.6, 0.15), ("hibari", 2.0, 0.3), ("espeak", 1.0, 0.3)],
)
@pytest.mark.engines("whisper-base")
async def test_a_recogniser_understands_the_voice(
    name: str, speed: float, limit: float, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = load("stt", ["whisper"], context())
    async with ADAPTERS[name].open() as voice, started(recogniser):
        errors: list[WordErrors] = []
        for sentence in SENTENCES:
            speech = await speak(voice, sentence, speed=speed)
            heard = await hear(recogniser, Pcm(speech.data, speech.chunks[0].pcm.rate_hz))
            errors.append(word_errors(sentence, heard))
    rate = total(errors).rate
    with capsys.disabled():
        print(f"\n{name} at speed {speed}: {rate:.1%} of words misheard")
    assert rate <= limit


@pytest.mark.engines("whisper-base")
async def test_the_dots_of_addresses_are_heard() -> None:
    said = {"Mail bob.smith@example.com today.": r"bob( dot |\.)", "Visit example.org/help now.": r"( dot |\.)org"}
    recogniser = load("stt", ["whisper"], context())
    async with ADAPTERS["hibari"].open() as voice, started(recogniser):
        for text, heard in said.items():
            speech = await speak(voice, text)
            assert re.search(heard, (await hear(recogniser, Pcm(speech.data, 24_000))).lower())


async def hear(recogniser: SpeechToText, audio: Pcm) -> str:
    async with aclosing(recogniser.transcribe(audio, TranscribeOptions(language="en"))) as results:
        transcripts = [result async for result in results if isinstance(result, Transcript)]
    return transcripts[-1].text
